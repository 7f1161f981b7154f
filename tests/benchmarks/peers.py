"""The peers in the comparison, each a separate server: `python -m tests.benchmarks.peers NAME PORT FOLDER`.

`raw` is a bare ASGI function and `starlette` a route with a `Response`, which send the blog's own bytes. `articles` is FastAPI as
articles write it: `@app.middleware("http")`, a response model, a cache of dicts; `plain` is the same without middleware;
`articles-stock` keeps nothing, and `articles-own` does the same over the blog's own backend of `databases`. `twin` is FastAPI
over the blog's own domain, without middleware. `naive` makes pages with `TemplateResponse`. `waiting` is the blog itself with one
route more, which waits for a tenth of a second. All but the first two read the database of the folder.
"""

import asyncio
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
from databases import Database as UpstreamDatabase
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

from blog.app import create_app
from blog.db.database import Database
from blog.db.tables import (
    api_tokens,
    events,
    post_authors,
    post_slugs,
    post_tags,
    posts,
    revision_authors,
    revisions,
    tags,
    users,
)
from blog.schemas.posts import NewPost, PostOut
from blog.settings import load_settings
from blog.text.markdown import RENDERER_VERSION, render
from blog.text.plain_text import html_to_text
from blog.text.slug import slugify
from tests.benchmarks.servers import Answer
from tests.twin.app import create_twin

TTL = 60


def raw(answers: dict[str, Answer]) -> ASGIApp:
    """A bare ASGI application that sends stored bytes."""

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
    """A Starlette application with a route for each path."""

    def route(path: str, answer: Answer) -> Route:
        status, headers, body = answer
        fields = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}

        async def endpoint(_request: Request) -> Response:
            return Response(body, status, fields)

        return Route(path, endpoint)

    return Starlette(routes=[route(path, answer) for path, answer in answers.items()])


def _database(*, is_own: bool) -> UpstreamDatabase:
    return Database(load_settings().database_url) if is_own else UpstreamDatabase(load_settings().database_url)


async def _post(database: UpstreamDatabase, post_id: int) -> dict[str, Any] | None:
    """Read a post as in articles: a query for the row, one for the author, one for the tags."""
    row = await database.fetch_one(sa.select(posts).where(posts.c.id == post_id))
    if row is None or row["status"] != "published":
        return None
    authors = await database.fetch_all(
        sa.select(users.c.name, users.c.username, users.c.avatar)
        .join(post_authors, post_authors.c.user_id == users.c.id)
        .where(post_authors.c.post_id == post_id)
    )
    named = await database.fetch_all(
        sa.select(tags.c.name).join(post_tags, post_tags.c.tag_id == tags.c.id).where(post_tags.c.post_id == post_id)
    )
    return dict(row._mapping) | {
        "url": f"http://127.0.0.1:8000/posts/{row['slug']}",
        "author": authors[0]["username"],
        "authors": [
            {
                "username": author["username"],
                "name": author["name"],
                "url": f"http://127.0.0.1:8000/authors/{author['username']}",
                "avatar": author["avatar"],
            }
            for author in authors
        ],
        "tags": [tag["name"] for tag in named],
        "comments": row["comment_count"],
    }


def articles(*, middleware: bool = True, cached: bool = False, is_own: bool = False) -> ASGIApp:
    """FastAPI with a response model, a bearer, a dict of dicts as the cache, and `databases`: stock, or with our backend."""
    database = _database(is_own=is_own)
    cache: dict[int, tuple[float, dict[str, Any]]] = {}
    bearer = HTTPBearer(auto_error=False)
    log = logging.getLogger("articles")

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await database.connect()
        yield
        await database.disconnect()

    app = FastAPI(lifespan=lifespan)

    async def user_id(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> int | None:
        if credentials is None:
            return None
        row = await database.fetch_one(sa.select(api_tokens.c.user_id).where(api_tokens.c.revoked_at.is_(None)))
        if row is None:
            raise HTTPException(401)
        return int(row["user_id"])

    async def read_post(post_id: int, _user: Annotated[int | None, Depends(user_id)]) -> dict[str, Any]:
        if cached and (kept := cache.get(post_id)) and kept[0] > time.monotonic():
            return kept[1]
        post = await _post(database, post_id)
        if post is None:
            raise HTTPException(404)
        cache[post_id] = (time.monotonic() + TTL, post)
        return post

    async def create_post(new: NewPost, user: Annotated[int | None, Depends(user_id)]) -> dict[str, Any]:
        if user is None:
            raise HTTPException(401)
        return await _create(database, new, user)

    app.get("/api/v1/posts/{post_id}", response_model=PostOut)(read_post)
    app.post("/api/v1/posts", response_model=PostOut, status_code=201)(create_post)
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


async def _create(database: UpstreamDatabase, new: NewPost, user_id: int) -> dict[str, Any]:
    """Write the rows that the blog writes, one statement after another."""
    now, html = dt.datetime.now(dt.UTC), render(new.content)
    body = html_to_text(html)
    async with database.transaction():
        slug, number = slugify(new.title), 1
        while await database.fetch_one(sa.select(post_slugs).where(post_slugs.c.slug == slug)):
            number += 1
            slug = f"{slugify(new.title)}-{number}"
        post_id = await database.execute(
            posts.insert().values(
                slug=slug, title=new.title, content=new.content, html=html, excerpt=body[:200], word_count=len(body.split()),
                renderer_version=RENDERER_VERSION, status="published", version=1, comments_open=True,
                published_at=now, created_at=now, updated_at=now,
            )
        )  # fmt: skip
        await database.execute(post_slugs.insert().values(slug=slug, post_id=post_id))
        await database.execute(post_authors.insert().values(post_id=post_id, user_id=user_id, position=0))
        await database.execute(
            "INSERT INTO posts_fts (rowid, title, body, title_words, names_words, body_words) "
            "VALUES (:id, :title, :body, :title, '', :body)",
            {"id": post_id, "title": new.title, "body": body},
        )
        version = {"title": new.title, "content": new.content, "slug": slug, "status": "published", "tags": []}
        await database.execute(
            revisions.insert().values(**version, post_id=post_id, version=1, editor_id=user_id, created_at=now)
        )
        await database.execute(revision_authors.insert().values(post_id=post_id, version=1, user_id=user_id, position=0))
        event = {"type": "post.published", "channels": ["posts", f"post:{post_id}"], "data": {"post": {"id": post_id}}}
        await database.execute(events.insert().values(**event, occurred_at=now, correlation_id="", post_id=post_id))
    post = await _post(database, post_id)
    assert post is not None
    return post


def naive() -> ASGIApp:
    """A home page of 20 posts: `TemplateResponse`, `url_for` for each link, stock `databases`."""
    database = _database(is_own=False)
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


WAIT = 0.1
"""Duration of `/healthz/wait` in seconds."""


def waiting() -> ASGIApp:
    """The blog with a route that waits, as for a remote service."""
    app = create_app(load_settings())

    async def wait(_request: Request) -> Response:
        await asyncio.sleep(WAIT)
        return Response("waited")

    app.router.routes.insert(0, Route("/healthz/wait", wait))
    return app


def create_peer(name: str, folder: Path) -> ASGIApp:
    """Return the peer of this name."""
    if name in ("raw", "starlette"):
        answers = pickle.loads((folder / "answers.pickle").read_bytes())  # noqa: S301 (written by the benchmark itself)
        return raw(answers) if name == "raw" else plain_starlette(answers)
    if name == "twin":
        return create_twin(load_settings())
    if name == "naive":
        return naive()
    peers: dict[str, Callable[[], ASGIApp]] = {
        "waiting": waiting,
        "articles": lambda: articles(cached=True),
        "plain": lambda: articles(cached=True, middleware=False),
        "articles-stock": articles,
        "articles-own": lambda: articles(is_own=True),
    }
    return peers[name]()


if __name__ == "__main__":
    peer = create_peer(sys.argv[1], Path(sys.argv[3]))
    uvicorn.run(peer, port=int(sys.argv[2]), log_config=None, access_log=False, server_header=False)
