"""/live — follow posts and comments over a WebSocket, subprotocol `blog.live.v1`."""

from starlette.endpoints import WebSocketEndpoint
from starlette.websockets import WebSocket

from blog.http.problems import refuse
from blog.http.services import services
from blog.live.connection import Connection
from blog.schemas.flags import Flag
from blog.schemas.live import SUBPROTOCOL


class PostFeed(WebSocketEndpoint):
    """Accepts the socket and gives it a `Connection`. Starlette's own loop only reads; this one reads and writes at once."""

    async def dispatch(self) -> None:
        """From accept to close. A page of another site was refused before (see `Protection`)."""
        websocket = WebSocket(self.scope, receive=self.receive, send=self.send)
        if not services(websocket).site.choices.on(Flag.LIVE):
            await refuse(self.scope, self.receive, self.send, 403, "Live updates are switched off")
            return
        offered = websocket.scope["subprotocols"]
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        await Connection(websocket).run()
