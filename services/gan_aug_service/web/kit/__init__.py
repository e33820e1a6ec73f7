"""What the pages share: rendering, forms, visitors, static files."""
