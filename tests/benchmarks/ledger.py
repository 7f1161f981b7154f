"""The overhead of FastAPI, and measurements of claims about Starlette: `python tests/benchmarks/ledger.py`.

Every application is called in this process, without server or socket. Those that are compared take turns, each several
times; medians are shown. Only the ratios mean something on another machine.
"""

import asyncio
import datetime as dt
import itertools
import json
import logging
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog import api
from blog.app import create_app
from blog.domain.accounts import accounts, tokens
from blog.domain.core.context import Context, Site
from blog.domain.posts import posts
from blog.framework.identity.authentication import authenticate
from blog.framework.request.context import anonymous_context
from blog.middleware.access_log import AccessLogMiddleware
from blog.middleware.security import SecurityMiddleware
from blog.schemas.accounts import NewUser, Role
from blog.schemas.posts import NewPost
from blog.settings import Settings
from tests.support.configuration import make_settings
from tests.twin.app import create_twin

ROUNDS = 11
Case = Callable[[], Awaitable[None]]


async def medians(cases: Mapping[str, Case], calls: int) -> dict[str, float]:
    """Return the microseconds per call of each case: ROUNDS alternating rounds after a warm-up round."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS + 1):
        for name, case in cases.items():
            started = time.perf_counter()
            for _ in range(calls):
                await case()
            if number:
                taken[name].append((time.perf_counter() - started) / calls * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


async def send_request(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    status: int = 200,
    body: bytes = b"",
    token: str = "",
    state: Mapping[str, Any] | None = None,
) -> None:
    """Send one request as a server would. Raises AssertionError for an unexpected status."""
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-length", str(len(body)).encode())]
    headers += [(b"content-type", b"application/json")] if body else []
    headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000), "state": dict(state or {}),
    }  # fmt: skip
    got = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            got.append(message["status"])

    await app(scope, receive, send)
    assert got == [status], (method, path, got)


async def answer(request: Request) -> Response:
    """The endpoint of every route."""
    return PlainTextResponse("here")


def flat(count: int) -> Router:
    """Return the routes `/0/0/0` to `/9/9/9` in one list."""
    return Router([Route(f"/{a}/{b}/{c}", answer) for a, b, c in last(count)])


def last(count: int) -> list[tuple[int, int, int]]:
    """Return the numbers of `count` routes; the last is always 9, 9, 9."""
    return [(a, b, c) for a, b, c in itertools.product(range(10), repeat=3)][-count:]


def tree(count: int) -> Router:
    """Return the same routes under Mounts, ten per level."""

    def level(paths: Sequence[tuple[int, ...]]) -> Iterator[BaseRoute]:
        for first, group in itertools.groupby(paths, key=lambda path: path[0]):
            rest = [path[1:] for path in group]
            yield Mount(f"/{first}", routes=list(level(rest))) if rest[0] else Route(f"/{first}", answer)

    return Router(list(level(last(count))))


def included(count: int) -> FastAPI:
    """Return the same routes in nested FastAPI routers, ten per router."""

    def level(paths: Sequence[tuple[int, ...]]) -> APIRouter:
        router = APIRouter()
        for first, group in itertools.groupby(paths, key=lambda path: path[0]):
            rest = [path[1:] for path in group]
            if rest[0]:
                router.include_router(level(rest), prefix=f"/{first}")
            else:
                router.add_api_route(f"/{first}", answer)
        return router

    app = FastAPI(openapi_url=None)
    app.include_router(level(last(count)))
    return app


async def measure_routing() -> None:
    """Measure the time to match the last of 10, 100 and 1,000 routes."""
    apps = {f"{make.__name__} {count}": make(count) for make in (flat, tree, included) for count in (10, 100, 1000)}
    times = await medians({name: partial(send_request, app, "GET", "/9/9/9") for name, app in apps.items()}, 30)
    print("Routing: the last route, as a multiple of the last of ten of the same kind")
    for name, taken in times.items():
        print(f"  {name:14} {taken:8.0f} µs  {taken / times[f'{name.split()[0]} 10']:6.2f}")
    print(f"  flat against tree at 1,000: {times['flat 1000'] / times['tree 1000']:.1f}")


class Empty(BaseHTTPMiddleware):
    """An empty middleware."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Call the next application."""
        return await call_next(request)


class Plain:
    """An empty plain ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def measure_middleware() -> None:
    """Measure no, one, two and three empty middlewares around one route."""
    kinds = {f"{count} BaseHTTPMiddleware": [Middleware(Empty)] * count for count in range(4)} | {
        "3 plain ASGI": [Middleware(Plain)] * 3
    }
    apps = {name: Starlette(routes=[Route("/", answer)], middleware=kind) for name, kind in kinds.items()}
    times = await medians({name: partial(send_request, app, "GET", "/") for name, app in apps.items()}, 300)
    print("Middleware: as a multiple of none")
    for name, taken in times.items():
        print(f"  {name:20} {taken:8.0f} µs  {taken / times['0 BaseHTTPMiddleware']:6.2f}")


def alone(app: ASGIApp) -> ASGIApp:
    """Return the API without middleware; authentication uses the function that the middleware calls."""
    router = Router([Mount("/api/v1", app=app)])

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        connection = HTTPConnection(scope)
        connection.state.correlation_id = uuid.uuid4().hex
        connection.state.identity = await authenticate(connection, anonymous_context(connection))
        await router(scope, receive, send)

    return identified


async def token_of_an_owner(site: Site) -> str:
    """Return the token of a new account."""
    ctx = Context(site, None, dt.datetime.now(dt.UTC), "benchmark")
    owner = await accounts.create(ctx, NewUser(username="ada", email="ada@example.org"), Role.OWNER)
    return (await tokens.issue(ctx, accounts.as_actor(owner), name="benchmark")).value


async def measure_twin(settings: Settings) -> None:
    """Measure GET and POST of a post: the API and its FastAPI twin, without and with middleware."""
    ours, twin = create_app(settings), create_twin(settings)
    async with ours.router.lifespan_context(ours) as lifespan_state:
        state = dict(lifespan_state or {})
        shared = state["app_state"]
        token = await token_of_an_owner(shared.site)
        states = {"ours": state, "twin": {"site": shared.site, "links": shared.urls}}
        pairs: dict[str, dict[str, ASGIApp]] = {
            "alone": {"ours": alone(api.app), "twin": twin},
            "in middleware": {"ours": ours, "twin": SecurityMiddleware(AccessLogMiddleware(twin), settings)},
        }
        numbers = itertools.count()

        async def write(app: ASGIApp, held: Mapping[str, Any]) -> None:
            new = {"title": f"Post {next(numbers)}", "content": "Some *text* of a usual length. " * 20, "tags": ["tag"]}
            await send_request(app, "POST", "/api/v1/posts", status=201, body=json.dumps(new).encode(), token=token, state=held)

        async def read(app: ASGIApp, held: Mapping[str, Any]) -> None:
            await send_request(app, "GET", "/api/v1/posts/1", state=held)

        await write(twin, states["twin"])
        for around, pair in pairs.items():
            for case, calls in ((read, 100), (write, 20)):
                times = await medians({name: partial(case, pair[name], states[name]) for name in pair}, calls)
                shown = ", ".join(f"{name} {taken:.0f} µs" for name, taken in times.items())
                print(f"  {case.__name__} {around}: {shown}; throughput ours/twin {times['twin'] / times['ours']:.2f}")


def always_dispatching(kind: Any) -> Any:
    """Return the same middleware without the shortcut past `dispatch`."""
    if not issubclass(kind, BaseHTTPMiddleware):
        return kind
    return type(kind.__name__, (kind,), {"__call__": BaseHTTPMiddleware.__call__})


async def measure_form(settings: Settings) -> None:
    """Measure an anonymous GET of an uncached post: both middlewares with and without the shortcut."""
    ours, plain = create_app(settings), create_app(settings)
    plain.user_middleware = [Middleware(always_dispatching(one.cls), *one.args, **one.kwargs) for one in plain.user_middleware]
    async with ours.router.lifespan_context(ours) as lifespan_state:
        state = dict(lifespan_state or {})
        site = state["app_state"].site
        author = await accounts.create(
            Context(site, None, dt.datetime.now(dt.UTC), "benchmark"),
            NewUser(username="bob", email="bob@example.org"),
            Role.OWNER,
        )
        ctx = Context(site, accounts.as_actor(author), dt.datetime.now(dt.UTC), "benchmark")
        post = await posts.create(ctx, NewPost(title="One", content="Some *text* of a usual length. " * 20))
        apps = {"as they are": ours, "plain form": plain}
        path = f"/api/v1/posts/{post.id}"
        times = await medians({name: partial(send_request, app, "GET", path, state=state) for name, app in apps.items()}, 200)
    print("Access log and authentication as BaseHTTPMiddleware, for an anonymous request of an uncached post")
    for name, taken in times.items():
        print(f"  {name:20} {taken:8.0f} µs  {taken / times['as they are']:6.2f}")


async def main() -> None:
    """Run in a temporary directory."""
    await measure_routing()
    await measure_middleware()
    print("Endpoints: GET one post, POST a post")
    with tempfile.TemporaryDirectory() as folder:
        settings = make_settings(
            secret_key=SecretStr("a secret for a benchmark, 32 characters"),
            database_url=f"sqlite:///{Path(folder) / 'blog.db'}",
            media_dir=Path(folder) / "media",
            rate_limit="off",
            max_cache_bytes=0,
        )
        await measure_form(settings)
        await measure_twin(settings)


if __name__ == "__main__":
    # The line of the log is built and thrown away: a terminal would be what is measured.
    with open(os.devnull, "w") as nowhere:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=nowhere))
        logging.disable(logging.INFO)
        asyncio.run(main())
