"""What pages share: rendering, forms, the signed-in user, static files."""
