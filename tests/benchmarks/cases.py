"""The cases of the comparison: what is requested from the blog and from which peers, and the figures that are wanted."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from tests.benchmarks.population import PASSWORD, RARE
from tests.benchmarks.wrk import Request

POST_COUNT = 1_000
POST, PAGE = f"/api/v1/posts/{POST_COUNT}", f"/posts/post-{POST_COUNT}"
CACHED = {
    "cached post (JSON)": POST,
    "cached post (page)": PAGE,
    "cached list of 20 (JSON)": "/api/v1/posts",
    "cached home page": "/",
    "cached feed": "/feed.atom",
}
PEERS = {
    "raw": "bare ASGI function",
    "nginx": "nginx",
    "starlette": "plain Starlette",
    "articles": "FastAPI as in articles",
    "plain": "FastAPI without middleware",
    "articles-stock": "FastAPI as in articles, stock `databases`",
    "articles-own": "FastAPI as in articles, our backend",
    "twin": "FastAPI over our domain, no middleware",
    "naive": "naive Starlette page",
}
_SESSION_PAGES = {"home page, signed in": "/", "post page, signed in": "/posts/post-{}", "dashboard": "/dashboard"}


@dataclass(frozen=True)
class Case:
    """One row: the request, the peers that answer the same, and what is wanted.

    wanted: the least ratio of the CPU time of a peer to the CPU time of the blog. max_cpu_us: the most CPU time per request.
    """

    name: str
    request: Request
    server: str = "blog"
    peers: Mapping[str, Request] = field(default_factory=dict)
    wanted: Mapping[str, float] = field(default_factory=dict)
    max_cpu_us: float | None = None
    connections: int = 4


def cases(token: str, session: str, etag: str) -> list[Case]:
    """Return all cases.

    token: of an owner. session: the Cookie header of a signed-in owner. etag: of the cached post.
    """
    return [*_cached(etag), *_rendered(session), *_written(token)]


def _cached(etag: str) -> list[Case]:
    found = []
    for name, path in CACHED.items():
        request, peers = Request(path), ["raw", "nginx", "starlette"]
        wanted = {"raw": 0.7}
        if path == POST:
            peers += ["articles", "plain"]
            wanted |= {"articles": 8, "plain": 3}
        found.append(Case(name, request, peers=dict.fromkeys(peers, request), wanted=wanted, connections=32))
    not_modified = Request(POST, headers={"If-None-Match": etag}, status=304)
    return [
        *found,
        Case(
            "cached post, 304", not_modified, peers=dict.fromkeys(("raw", "nginx"), Request("/304", status=304)), connections=32
        ),
        Case("cached post (JSON), plain uvicorn", Request(POST), "blog-uvicorn", {"raw": Request(POST)}, connections=32),
        Case("/healthz", Request("/healthz"), connections=32),
        Case("static file", Request("/static/css/blog.css"), connections=32),
    ]


def _rendered(session: str) -> list[Case]:
    post = Request("/api/v1/posts/{}", count=POST_COUNT)
    peers = ("articles-stock", "articles-own", "twin")
    wanted = {"articles-stock": 4, "articles-own": 1.3}
    signed_in = [
        Case(name, Request(path, headers={"Cookie": session}, count=POST_COUNT), "blog-uncached", max_cpu_us=1_700)
        for name, path in _SESSION_PAGES.items()
    ]
    return [
        Case("post (JSON)", post, "blog-uncached", dict.fromkeys(peers, post), wanted),
        Case("home page", Request("/"), "blog-uncached", {"naive": Request("/")}, {"naive": 4}, max_cpu_us=1_700),
        Case("post page", Request("/posts/post-{}", count=POST_COUNT), "blog-uncached", max_cpu_us=1_700),
        Case("search", Request(f"/search?q={RARE}"), "blog-uncached", max_cpu_us=1_700),
        *signed_in,
    ]


def _written(token: str) -> list[Case]:
    bearer = {"Authorization": f"Bearer {token}"}
    as_json = bearer | {"Content-Type": "application/json"}
    post = {"title": "New {}", "content": "Some words. " * 60, "status": "published"}
    create = Request("/api/v1/posts", "POST", as_json, json.dumps(post).encode(), 201)
    credentials = {"username": "ada", "password": PASSWORD}
    sign_in = Request("/api/v1/tokens", "POST", as_json, json.dumps(credentials).encode(), 201)
    as_form = bearer | {"Content-Type": "multipart/form-data; boundary=x"}
    upload = Request("/api/v1/media", "POST", as_form, _upload(), 201)
    peers, wanted = {"articles-own": create, "twin": create}, {"articles-own": 1.5, "twin": 1.0}
    return [
        Case("create post", create, "blog-uncached", peers, wanted),
        Case("sign in (token)", sign_in, "blog-uncached", {"twin": sign_in}, connections=1),
        Case("upload image", upload, "blog-uncached"),
    ]


def _upload() -> bytes:
    """Return a form with a JPEG that a number follows: the same file twice would be stored once."""
    image = io.BytesIO()
    Image.new("RGB", (64, 64), (30, 60, 90)).save(image, "JPEG")
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head + image.getvalue() + b"{}\r\n--x--\r\n"
