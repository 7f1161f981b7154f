"""Who gets pages compressed, and that these are the same pages."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message

from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.middleware.compression import CompressionMiddleware
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
async def post(author: Context) -> Any:
    return await posts.create(author, NewPost(title="Long", content="A paragraph of some length.\n\n" * 300))


@pytest.mark.parametrize("path", ["/posts/long", "/feed.atom", "/feed.json", "/sitemap.xml"])
async def test_strangers_get_the_same_in_fewer_bytes(client: httpx2.AsyncClient, post: Any, path: str) -> None:
    plain, packed = await client.get(path, headers=PLAIN), await client.get(path, headers=GZIP)
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert int(packed.headers.get("content-length", 0)) < int(plain.headers.get("content-length", 10**6)) / 3
    if path.startswith("/posts"):  # the address of a request is in the page of its own
        assert len(packed.text) == len(plain.text)
    else:
        assert packed.text == plain.text
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["vary"]


async def test_document_that_went_out_compressed_is_asked_for_again(client: httpx2.AsyncClient, post: Any) -> None:
    packed = await client.get("/feed.atom", headers=GZIP)
    assert packed.headers["etag"].startswith('W/"'), "the bytes are not the only ones of this name"
    again = await client.get("/feed.atom", headers=GZIP | {"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_what_members_see_and_send_is_left_as_it_is(
    client: httpx2.AsyncClient, post: Any, bearer: Callable[..., Awaitable[dict[str, str]]]
) -> None:
    member = GZIP | await bearer("bob", Role.READER)
    assert "content-encoding" not in (await client.get("/posts/long", headers=member)).headers
    refused = await client.post("/login", data={"username": "bob"}, headers=GZIP | {"Sec-Fetch-Site": "same-origin"})
    assert refused.status_code == 422
    assert "content-encoding" not in refused.headers


async def test_images_are_not_compressed_twice(client: httpx2.AsyncClient, post: Any) -> None:
    card = await client.get("/posts/long/card.png", headers=GZIP)
    assert card.headers["content-type"] == "image/png"
    assert "content-encoding" not in card.headers


@pytest.mark.parametrize("accepted", [b"gzip", b"identity"])
async def test_client_that_hangs_up_before_the_first_bytes_is_no_error(accepted: bytes) -> None:
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
