"""An endpoint that sends its response while the timeout cancels it."""

import dataclasses
from types import SimpleNamespace

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from blog.domain.core.context import Site
from blog.middleware.timeout import RequestTimeoutMiddleware


async def respond_when_cancelled(_scope: Scope, _receive: Receive, send: Send) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def unavailable(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("too late", 503)


async def test_client_gets_one_response(site: Site) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    hasty = dataclasses.replace(site, settings=site.settings.model_copy(update={"request_timeout": 0.01}))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {"app_state": SimpleNamespace(site=hasty)}}
    await RequestTimeoutMiddleware(respond_when_cancelled, unavailable)(scope, receive, send)
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [503]
