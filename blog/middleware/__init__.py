"""What happens around every request: protection (plain ASGI, outermost), access log and authentication; compression."""
