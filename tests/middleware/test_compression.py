"""Compression of pages: for which clients, and with equal content."""

from typing import Any

import anyio
import httpx2
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message

from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.middleware.compression import CompressionMiddleware
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost
from tests.conftest import Bearer

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
async def post(author: Context) -> Post:
    return await posts.create(author, NewPost(title="Long", content="A paragraph of some length.\n\n" * 300))


@pytest.mark.parametrize("path", ["/posts/long", "/feed.atom", "/feed.json", "/sitemap.xml"])
async def test_anonymous_responses_are_compressed(client: httpx2.AsyncClient, post: Post, path: str) -> None:
    plain, packed = await client.get(path, headers=PLAIN), await client.get(path, headers=GZIP)
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert int(packed.headers.get("content-length", 0)) < int(plain.headers.get("content-length", 10**6)) / 3
    if path.startswith("/posts"):  # each page contains its request's URL
        assert len(packed.text) == len(plain.text)
    else:
        assert packed.text == plain.text
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["vary"]


async def test_etag_of_a_compressed_document_is_revalidated(client: httpx2.AsyncClient, post: Post) -> None:
    packed = await client.get("/feed.atom", headers=GZIP)
    assert packed.headers["etag"].startswith('W/"'), "the bytes are not the only ones of this name"
    again = await client.get("/feed.atom", headers=GZIP | {"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_responses_with_a_session_are_not_compressed(client: httpx2.AsyncClient, post: Post, bearer: Bearer) -> None:
    member = GZIP | await bearer("bob", Role.READER)
    assert "content-encoding" not in (await client.get("/posts/long", headers=member)).headers
    refused = await client.post("/login", data={"username": "bob"}, headers=GZIP | {"Sec-Fetch-Site": "same-origin"})
    assert refused.status_code == 422
    assert "content-encoding" not in refused.headers


async def test_images_are_not_compressed_twice(client: httpx2.AsyncClient, post: Post) -> None:
    card = await client.get("/posts/long/card.png", headers=GZIP)
    assert card.headers["content-type"] == "image/png"
    assert "content-encoding" not in card.headers


@pytest.mark.parametrize("accepted", [b"gzip", b"identity"])
async def test_early_disconnect_is_not_an_error(accepted: bytes) -> None:
    async def never() -> Any:
        await anyio.sleep_forever()
        yield b""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", accepted)], "asgi": {"spec_version": "2.3"}}
    await CompressionMiddleware(StreamingResponse(never()))(scope, receive, send)
    assert sent[0]["status"] == 499, "a middleware above would raise if it heard nothing at all"
