"""The live door: a WebSocket that follows the event log."""

from blog.live import documents
from blog.live.feed import PostFeed

__all__ = ["PostFeed", "documents"]
