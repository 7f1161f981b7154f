"""Uploaded images: validation, variants, and cards drawn for social networks."""
