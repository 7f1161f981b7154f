"""The event log, followed for all doors: who follows what, what was missed, and who may hear of it."""

from blog.broadcast.hints import RedisHints
from blog.broadcast.hub import Hub
from blog.broadcast.subscriber import Subscriber

__all__ = ["Hub", "RedisHints", "Subscriber"]
