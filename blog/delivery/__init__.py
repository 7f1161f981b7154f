"""Outgoing requests to addresses that users enter."""
