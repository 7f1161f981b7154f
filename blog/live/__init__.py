"""The live door: WebSockets that follow the event log, in two dialects."""

from blog.live import docs
from blog.live.endpoints import CentrifugoWebSocket, LiveWebSocket

__all__ = ["CentrifugoWebSocket", "LiveWebSocket", "docs"]
