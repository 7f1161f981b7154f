"""Limits of request heads, checked by the server while it reads and by the application for any server."""

MAX_HEADER_BYTES = 32_768
"""Size of a request head: request line and headers."""
MAX_HEADER_FIELDS = 100
MAX_URL_BYTES = 8_192
"""Length of path and query together."""
MAX_POST_BODY_BYTES = 8_388_608
"""Size of a body with the text of a post: 1 MiB, of which JSON may escape each byte with six, and a form with three."""
