"""An endpoint that sends its response while the timeout cancels it."""

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from blog.middleware.timeout import RequestTimeoutMiddleware


async def respond_when_cancelled(_scope: Scope, _receive: Receive, send: Send) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def unavailable(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("too late", 503)


async def test_client_gets_one_response() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    timeout = RequestTimeoutMiddleware(respond_when_cancelled, 0.01, unavailable)
    await timeout({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [503]
