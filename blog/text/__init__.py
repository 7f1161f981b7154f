"""Text processing: Markdown to safe HTML, plain text, excerpts, slugs, diffs.

Pure functions: no I/O, no clock, no visible shared state, and no import from the rest of `blog`. All are thread-safe.
"""
