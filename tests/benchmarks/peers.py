"""What the blog is measured beside, each a server of its own: `python -m tests.benchmarks.peers NAME PORT FOLDER`.

`raw` is a bare ASGI function and `starlette` a route with a `Response`, which send the blog's own bytes; `articles` and `plain`
are FastAPI as articles write it, with and without `@app.middleware("http")`; `twin` is FastAPI over the blog's own domain and
database; `naive` makes pages with `TemplateResponse`. All but the first two read the database of the folder.
"""

import contextlib
import datetime as dt
import logging
import pickle
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import uvicorn
from databases import Database
from fastapi import Depends, FastAPI, HTTPException
from fastapi import Request as FastAPIRequest
from fastapi.responses import Response as FastAPIResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Receive, Scope, Send

from blog.db.tables import post_authors, post_tags, posts, tags, users
from blog.schemas.posts import PostOut
from blog.settings import load_settings
from tests.twin.app import create_twin

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, header fields, body."""
TTL = 60


def raw(answers: dict[str, Answer]) -> ASGIApp:
    """Nothing but the bytes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        status, headers, body = answers[scope["path"]]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def plain_starlette(answers: dict[str, Answer]) -> ASGIApp:
    """A route for each path."""

    def route(path: str, answer: Answer) -> Route:
        status, headers, body = answer
        fields = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}

        async def endpoint(_request: Request) -> Response:
            return Response(body, status, fields)

        return Route(path, endpoint)

    return Starlette(routes=[route(path, answer) for path, answer in answers.items()])


def _stock() -> Database:
    return Database(load_settings().database_url)


async def _post(database: Database, post_id: int) -> dict[str, Any] | None:
    """A post as articles read it: a query for the row, one for the author, one for the tags."""
    row = await database.fetch_one(sa.select(posts).where(posts.c.id == post_id))
    if row is None or row["status"] != "published":
        return None
    authors = await database.fetch_all(
        sa.select(users.c.name).join(post_authors, post_authors.c.user_id == users.c.id).where(post_authors.c.post_id == post_id)
    )
    named = await database.fetch_all(
        sa.select(tags.c.name).join(post_tags, post_tags.c.tag_id == tags.c.id).where(post_tags.c.post_id == post_id)
    )
    names = [author["name"] for author in authors]
    return dict(row._mapping) | {
        "url": f"http://127.0.0.1:8000/posts/{row['slug']}",
        "author": names[0],
        "authors": names,
        "tags": [tag["name"] for tag in named],
    }


def articles(*, middleware: bool, cached: bool) -> ASGIApp:
    """FastAPI with a response model, a bearer, a dict of dicts as the cache, and stock `databases`."""
    database = _stock()
    cache: dict[int, tuple[float, dict[str, Any]]] = {}
    bearer = HTTPBearer(auto_error=False)
    log = logging.getLogger("articles")

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await database.connect()
        yield
        await database.disconnect()

    app = FastAPI(lifespan=lifespan)

    async def read_post(
        post_id: int, _credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> dict[str, Any]:
        if cached and (kept := cache.get(post_id)) and kept[0] > time.monotonic():
            return kept[1]
        post = await _post(database, post_id)
        if post is None:
            raise HTTPException(404)
        cache[post_id] = (time.monotonic() + TTL, post)
        return post

    app.get("/api/v1/posts/{post_id}", response_model=PostOut)(read_post)
    if middleware:
        logging.basicConfig(filename="articles.log", level=logging.INFO, format="%(asctime)s %(message)s")

        async def timed(
            request: FastAPIRequest, call_next: Callable[[FastAPIRequest], Awaitable[FastAPIResponse]]
        ) -> FastAPIResponse:
            started = time.perf_counter()
            response = await call_next(request)
            took = time.perf_counter() - started
            response.headers["X-Process-Time"] = str(took)
            log.info("%s %s %s %.1f ms", request.method, request.url.path, response.status_code, took * 1000)
            return response

        app.middleware("http")(timed)
    return app


def naive() -> ASGIApp:
    """A home page of 20 posts: `TemplateResponse`, `url_for` for each link, stock `databases`."""
    database = _stock()
    templates = Jinja2Templates(Path(__file__).parent / "naive")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await database.connect()
        yield
        await database.disconnect()

    async def home(request: Request) -> Response:
        newest = sa.select(posts).where(posts.c.status == "published", posts.c.deleted_at.is_(None))
        rows = await database.fetch_all(newest.order_by(posts.c.published_at.desc(), posts.c.id.desc()).limit(20))
        found = [await _post(database, row["id"]) for row in rows]
        return templates.TemplateResponse(request, "home.html", {"posts": found, "now": dt.datetime.now(dt.UTC)})

    async def nothing(_request: Request) -> Response:
        return Response()

    routes = [
        Route("/", home, name="home"),
        Route("/posts/{slug}", nothing, name="post"),
        Route("/tags/{name}", nothing, name="tag"),
        Route("/authors/{name}", nothing, name="author"),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def made(name: str, folder: Path) -> ASGIApp:
    """The peer of this name."""
    if name in ("raw", "starlette"):
        answers = pickle.loads((folder / "answers.pickle").read_bytes())  # noqa: S301 (written by the benchmark itself)
        return raw(answers) if name == "raw" else plain_starlette(answers)
    if name == "twin":
        return create_twin(load_settings())
    if name == "naive":
        return naive()
    family, _, cached = name.partition("-")
    return articles(middleware=family == "articles", cached=cached != "uncached")


if __name__ == "__main__":
    peer = made(sys.argv[1], Path(sys.argv[3]))
    uvicorn.run(peer, port=int(sys.argv[2]), log_config=None, access_log=False, server_header=False)
