"""Import of Markdown folders from other blog engines."""
