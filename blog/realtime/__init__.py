"""The event log, followed for all doors: who follows what, what was missed, and who may hear of it."""

from blog.realtime.hub import Hub
from blog.realtime.redis_notifier import RedisNotifier
from blog.realtime.subscription import Subscriber

__all__ = ["Hub", "RedisNotifier", "Subscriber"]
