"""Text as values: Markdown to safe HTML, plain text, excerpts, slugs.

Pure functions: no I/O, no clock, no shared state that a caller can see, and no import from the rest of `blog`.
All of them may run in worker threads.
"""
