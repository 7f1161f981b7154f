"""Middleware around every request: security headers, response cache, access log, authentication, limits and compression."""
