"""The live door: a WebSocket that follows the event log."""

from blog.live import documents
from blog.live.feed import PostFeed
from blog.live.hub import Hub

__all__ = ["Hub", "PostFeed", "documents"]
