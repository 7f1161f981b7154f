"""Browsers without JavaScript: sessions and form fields."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.framework.request.forms import Form
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost
from blog.web.rendering import spam_trap
from tests.conftest import ORIGIN, MakeUser

SignIn = Callable[..., Awaitable[dict[str, str]]]
Write = Callable[..., Awaitable[Post]]


@pytest.fixture
def sign_in(ctx: Context, make_user: MakeUser) -> SignIn:
    """Return a function that creates an account and returns its browser's headers: `ada = await sign_in("ada", Role.AUTHOR)`."""

    async def make(username: str, role: Role = Role.AUTHOR) -> dict[str, str]:
        session_id = await sessions.start(ctx, accounts.as_actor(await make_user(username, role)), "a browser")
        return {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}

    return make


@pytest.fixture
def served(ctx: Context) -> dict[str, str]:
    """Return the hidden fields of a comment form that was opened some seconds ago."""
    then = replace(ctx, now=ctx.now - dt.timedelta(seconds=20))
    return {spam_trap.TIMESTAMP_FIELD: spam_trap.timestamp_token(then, Form())}


@pytest.fixture
def write(author: Context) -> Write:
    """Return a function that creates a post by ada: `await write("Title", "text", tags=["a"])`; `age` is in days."""

    async def make(title: str, content: str = "Some text.", *, age: int = 0, **members: Any) -> Post:
        then = replace(author, now=author.now - dt.timedelta(days=age))
        return await posts.create(then, NewPost(title=title, content=content, **members))

    return make
