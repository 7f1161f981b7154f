"""Every model that crosses the wire: what clients may send (`NewPost`), what they get (`PostOut`), query parameters."""
