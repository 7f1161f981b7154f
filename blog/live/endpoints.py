"""WebSocket endpoints: follow posts and comments."""

from typing import ClassVar

from starlette.endpoints import WebSocketEndpoint
from starlette.websockets import WebSocket

from blog.framework.request.state import app_state
from blog.framework.response.problems import send_problem
from blog.live.centrifugo import CentrifugoConnection
from blog.live.connection import Connection
from blog.live.protocol import LiveConnection
from blog.schemas.feature_flags import Flag


class LiveWebSocket(WebSocketEndpoint):
    """/live: the subprotocol `blog.live.v1`.

    Accepts the socket and runs a `Connection`. Starlette's own loop can only read; a `Connection` reads and writes concurrently.
    """

    protocol: ClassVar[type[Connection]] = LiveConnection

    async def dispatch(self) -> None:
        """Handle the connection from accept to close. `SecurityMiddleware` has already rejected foreign origins."""
        websocket = WebSocket(self.scope, receive=self.receive, send=self.send)
        if not app_state(websocket).site.runtime_settings.is_enabled(Flag.LIVE):
            await send_problem(self.scope, self.receive, self.send, 403, "Live updates are turned off")
            return
        subprotocol = self.protocol.SUBPROTOCOL
        await websocket.accept(subprotocol if subprotocol in websocket.scope["subprotocols"] else None)
        await self.protocol(websocket).run()


class CentrifugoWebSocket(LiveWebSocket):
    """/connection/websocket: the same events in the client protocol of Centrifugo, for its SDKs."""

    protocol = CentrifugoConnection
