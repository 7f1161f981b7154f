"""The live interface: WebSockets that follow the event log, in two protocols."""

from blog.live import docs
from blog.live.endpoints import CentrifugoWebSocket, LiveWebSocket

__all__ = ["CentrifugoWebSocket", "LiveWebSocket", "docs"]
