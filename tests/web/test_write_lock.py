"""Texts are rendered and split into words before the write lock is acquired, so that other writers do not wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import httpx2
import pytest

from blog.db import tables
from blog.db.tokenizer import tokenize
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges
from blog.text.markdown import render, render_comment
from tests.conftest import Bearer
from tests.web.conftest import SignIn, Write

RENDERERS: dict[str, Callable[[str], str]] = {
    "blog.domain.posts.rendering.render": render,
    "blog.domain.comments.comments.render_comment": render_comment,
    "blog.domain.site.static_pages.render": render,
}
T = TypeVar("T")
TEXT = "A text that takes long to render."
KEY = "k" * 20
CREATED, REDIRECT = 201, 303
Send = Callable[[str], asyncio.Task[httpx2.Response]]


class Submission(NamedTuple):
    """A request that renders `TEXT`: its path, its fields, and the status of its response."""

    path: str
    fields: dict[str, str]
    status: int = REDIRECT


PAGE = {"title": "About", "slug": "about", "content": TEXT}
SUBMISSIONS = {
    "form of a new post": Submission("/write", {"title": "New", "content": TEXT, "status": "published"}),
    "form of a post": Submission("/posts/first/edit", {"title": "Second", "content": TEXT, "version": "1"}),
    "form of a comment": Submission("/posts/first/comments", {"content": TEXT}),
    "form of a reply": Submission("/comments/1/reply", {"content": TEXT}),
    "form of a new page": Submission("/admin/pages/new", PAGE | {"slug": "new"}),
    "form of a page": Submission("/admin/pages/1", PAGE | {"version": "1"}),
    "post in the API": Submission("/api/v1/posts", {"title": "New", "content": TEXT}, CREATED),
    "comment in the API": Submission("/api/v1/posts/1/comments", {"content": TEXT}, CREATED),
    "version in the API": Submission("/api/v1/posts/1/revisions/1/restore", {}, 200),
}


class Gate:
    """Makes functions wait for the test when they get a certain text, and records their calls."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.has_started, self.may_finish = threading.Event(), threading.Event()

    def guard(self, function: Callable[[str], T], text: str) -> Callable[[str], T]:
        def guarded(argument: str) -> T:
            if argument == text:
                self.texts.append(text)
                self.has_started.set()
                self.may_finish.wait(20)
            return function(argument)

        return guarded


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.may_finish.set()


@pytest.fixture
async def send(client: httpx2.AsyncClient, write: Write, sign_in: SignIn, bearer: Bearer) -> Send:
    """Return a function that submits a form or calls the API, on a blog with a post, a comment and a page."""
    await write("First", TEXT)
    session = await sign_in("own", Role.OWNER)
    token = await bearer("eve", Role.EDITOR)
    await client.post("/posts/first/comments", data={"content": "Well said."}, headers=session)
    await client.post("/admin/pages/new", data=PAGE | {"content": "Short."}, headers=session)

    def start(name: str) -> asyncio.Task[httpx2.Response]:
        path, fields, _ = SUBMISSIONS[name]
        if path.startswith("/api/"):
            return asyncio.create_task(client.post(path, json=fields, headers=token | {"Idempotency-Key": KEY}))
        return asyncio.create_task(client.post(path, data=fields | {"form_key": KEY}, headers=session))

    return start


async def write_as_somebody_else(ctx: Context) -> None:
    async with asyncio.timeout(5), ctx.db.transaction():
        await ctx.db.execute(tables.users.update().values(name="changed"))


@pytest.mark.parametrize("name", SUBMISSIONS)
async def test_other_writers_commit_while_a_text_is_rendered(
    send: Send, ctx: Context, gate: Gate, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for place, renderer in RENDERERS.items():
        monkeypatch.setattr(place, gate.guard(renderer, TEXT))
    request = send(name)
    assert await asyncio.to_thread(gate.has_started.wait, 10)
    await write_as_somebody_else(ctx)
    assert not request.done()
    gate.may_finish.set()
    first, repeat = await request, await send(name)
    assert first.status_code == repeat.status_code == SUBMISSIONS[name].status
    assert first.headers.get("location") == repeat.headers.get("location")
    assert gate.texts == [TEXT], "the repeat renders nothing"


async def test_other_writers_commit_while_the_words_of_a_text_are_indexed(
    author: Context, ctx: Context, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "word " * 5000 + "word"
    monkeypatch.setattr("blog.db.fulltext.tokenize", gate.guard(tokenize, text))
    post = await posts.create(author, NewPost(title="First", content="Short."))
    changing = asyncio.create_task(posts.edit(author, post.id, PostChanges(content=text)))
    assert await asyncio.to_thread(gate.has_started.wait, 10)
    await write_as_somebody_else(ctx)
    assert not changing.done()
    gate.may_finish.set()
    assert (await changing).content == text
