"""Rules and queries of the blog. Functions take a `Context`, own their transaction, check permissions and record the event."""
