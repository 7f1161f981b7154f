"""Sample content."""
