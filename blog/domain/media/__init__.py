"""Uploaded images: processing, variants, and social cards."""
