"""Rules and queries of the blog. Functions take a `Context`, own their transaction, check who may, record the event."""
