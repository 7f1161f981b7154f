"""A small example blog."""
