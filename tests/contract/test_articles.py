"""Two common recipes in articles about Starlette, and their faults."""

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from blog.app import Application
from blog.domain.posts import posts

SECRET = "postgresql://blog:hunter2@db"


def port_of(address: str) -> int:
    """Raise ValueError with the value in its message, as a bug would: the URL has no port."""
    return int(address)


async def test_global_value_error_handler_blames_the_client_for_our_bugs_and_leaks_values(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def on_value_error(request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 400)

    async def buggy(request: Request) -> Response:
        return PlainTextResponse(str(port_of(SECRET)))

    recipe = Starlette(routes=[Route("/", buggy)], exception_handlers={ValueError: on_value_error})
    leaked = TestClient(recipe).get("/")
    assert leaked.status_code == 400, "monitoring does not count it as a server error"
    assert "hunter2" in leaked.text

    async def buggy_get(*_: object) -> None:
        port_of(SECRET)

    monkeypatch.setattr(posts, "get_with_position", buggy_get)
    with pytest.raises(ValueError, match="hunter2"):  # it reaches the server, which logs it
        await client.get("/api/v1/posts/1")


def test_response_to_a_bug_reveals_nothing(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    async def buggy_get(*_: object) -> None:
        port_of(SECRET)

    monkeypatch.setattr(posts, "get_with_position", buggy_get)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/api/v1/posts/1")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text


def test_base_http_middleware_never_sees_a_websocket() -> None:
    seen: list[str] = []

    class Guard(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            seen.append(request.url.path)
            return PlainTextResponse("Sign in first", 401)

    async def secret_feed(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(SECRET)
        await websocket.close()

    async def secret_page(request: Request) -> Response:
        return PlainTextResponse(SECRET)

    guarded = Starlette(
        routes=[Route("/page", secret_page), WebSocketRoute("/feed", secret_feed)], middleware=[Middleware(Guard)]
    )
    client = TestClient(guarded)
    assert client.get("/page").status_code == 401
    with client.websocket_connect("/feed") as socket:
        assert socket.receive_text() == SECRET, "the guard was never asked"
    assert seen == ["/page"]
