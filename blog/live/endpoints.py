"""Follow posts and comments over a WebSocket."""

from typing import ClassVar

from starlette.endpoints import WebSocketEndpoint
from starlette.websockets import WebSocket

from blog.framework.request.state import services
from blog.framework.response.problems import refuse
from blog.live.centrifugo import CentrifugoConnection
from blog.live.connection import Connection
from blog.live.protocol import NativeConnection
from blog.schemas.feature_flags import Flag


class PostFeed(WebSocketEndpoint):
    """/live — in the subprotocol `blog.live.v1`.

    Accepts the socket and gives it a `Connection`. Starlette's own loop only reads; this one reads and writes at once.
    """

    dialect: ClassVar[type[Connection]] = NativeConnection

    async def dispatch(self) -> None:
        """From accept to close. A page of another site was refused before (see `Protection`)."""
        websocket = WebSocket(self.scope, receive=self.receive, send=self.send)
        if not services(websocket).site.choices.on(Flag.LIVE):
            await refuse(self.scope, self.receive, self.send, 403, "Live updates are switched off")
            return
        ours = self.dialect.SUBPROTOCOL
        await websocket.accept(ours if ours in websocket.scope["subprotocols"] else None)
        await self.dialect(websocket).run()


class CentrifugoFeed(PostFeed):
    """/connection/websocket — the same in the client protocol of Centrifugo, for its SDKs."""

    dialect = CentrifugoConnection
