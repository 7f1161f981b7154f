"""The page of uploaded images."""
