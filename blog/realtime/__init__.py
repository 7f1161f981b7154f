"""The event log for all live interfaces: subscriptions, replay of missed events, and rendering."""

from blog.realtime.hub import Hub
from blog.realtime.redis_notifier import RedisNotifier
from blog.realtime.subscription import Subscriber

__all__ = ["Hub", "RedisNotifier", "Subscriber"]
