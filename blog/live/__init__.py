"""The live door: WebSockets that follow the event log, in two dialects."""

from blog.live import documents
from blog.live.feed import CentrifugoFeed, PostFeed

__all__ = ["CentrifugoFeed", "PostFeed", "documents"]
