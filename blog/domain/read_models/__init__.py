"""Queries that collect everything one page shows."""
