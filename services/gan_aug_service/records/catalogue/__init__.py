"""What records are called, how lists find and order them, and what lists say of them."""
