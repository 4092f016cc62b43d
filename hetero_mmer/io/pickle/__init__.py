"""Foreign pickles, read without running anything that is in them."""
