"""The cache of finished responses."""
