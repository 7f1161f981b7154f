"""Pages to read and write posts."""
