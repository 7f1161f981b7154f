"""Follow posts and comments over a WebSocket."""

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
    """/live — in the subprotocol `blog.live.v1`.

    Accepts the socket and gives it a `Connection`. Starlette's own loop only reads; this one reads and writes at once.
    """

    protocol: ClassVar[type[Connection]] = LiveConnection

    async def dispatch(self) -> None:
        """From accept to close. A page of another site was refused before (see `Protection`)."""
        websocket = WebSocket(self.scope, receive=self.receive, send=self.send)
        if not app_state(websocket).site.runtime_settings.is_enabled(Flag.LIVE):
            await send_problem(self.scope, self.receive, self.send, 403, "Live updates are switched off")
            return
        ours = self.protocol.SUBPROTOCOL
        await websocket.accept(ours if ours in websocket.scope["subprotocols"] else None)
        await self.protocol(websocket).run()


class CentrifugoWebSocket(LiveWebSocket):
    """/connection/websocket — the same in the client protocol of Centrifugo, for its SDKs."""

    protocol = CentrifugoConnection
