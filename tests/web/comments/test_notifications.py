"""The page of notifications, and the unread counts in the navigation."""

import contextvars
import re

import httpx2
import pytest

from blog.app import Application
from blog.domain.accounts import accounts
from blog.domain.comments import comments, notifications
from blog.domain.comments.models import Comment
from blog.domain.core.context import Context
from blog.domain.posts.models import Post
from blog.errors import Unavailable
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from tests.support import matching
from tests.web.conftest import SignIn, Write
from tests.web.test_pages import opened

First = tuple[Comment, dict[str, str]]
asked_by_test = contextvars.ContextVar("asked_by_test", default=False)


@pytest.fixture
async def post(write: Write) -> Post:
    return await write("On engines")


@pytest.fixture
async def first(ctx: Context, post: Post, sign_in: SignIn) -> First:
    """Return a comment by rob, and the headers of rob's browser."""
    rob = await sign_in("rob", Role.READER)
    actor = accounts.as_actor(await accounts.by_username(ctx, "rob"))
    return await comments.create(ctx.acting_as(actor), post.id, NewComment(content="Why?")), rob


def unread(page: httpx2.Response) -> str | None:
    found = re.search(r'Notifications <span class="badge">([^<]+)<span class="visually-hidden"> unread', page.text)
    return found[1] if found else None


async def test_reply_is_announced_on_every_page_until_it_was_shown(
    client: httpx2.AsyncClient, author: Context, post: Post, first: First
) -> None:
    comment, rob = first
    assert unread(await client.get("/", headers=rob)) is None
    answer = await comments.create(author, post.id, NewComment(content="*Because.*", parent_id=comment.id))
    for path in ("/", "/posts/on-engines", "/account", "/nowhere"):
        assert unread(await client.get(path, headers=rob)) == "1", path
    shown = await client.get("/notifications", headers=rob)
    assert "<em>Because.</em>" in shown.text
    assert f'replied to you on <a href="/posts/on-engines#comment-{answer.id}" dir="auto">On engines</a>' in shown.text
    assert 'class="unread"' in shown.text
    assert unread(shown) is None, "what the page shows is not announced by it"
    again = await client.get("/notifications", headers=rob)
    assert 'class="unread"' not in again.text
    assert unread(await client.get("/", headers=rob)) is None


async def test_head_request_marks_nothing_as_read(client: httpx2.AsyncClient, author: Context, post: Post, first: First) -> None:
    comment, rob = first
    await comments.create(author, post.id, NewComment(content="Because.", parent_id=comment.id))
    assert (await client.head("/notifications", headers=rob)).status_code == 200
    assert unread(await client.get("/", headers=rob)) == "1"


async def test_all_are_marked_as_read_with_one_button(
    client: httpx2.AsyncClient, author: Context, post: Post, first: First
) -> None:
    comment, rob = first
    for number in range(25):
        await comments.create(author, post.id, NewComment(content=f"Answer {number}", parent_id=comment.id))
    page = await client.get("/notifications", headers=rob)
    assert (page.text.count('class="unread"'), unread(page)) == (20, "5")
    assert "Mark all as read" in page.text
    answer = await client.post("/notifications", headers=rob)
    assert (answer.status_code, answer.headers["location"]) == (303, "/notifications")
    after = await client.get("/notifications", headers=rob)
    assert (unread(after), "Mark all as read" in after.text) == (None, False)
    older = await client.get(matching.search(r'rel="next" href="([^"]+)"', after.text)[1], headers=rob)
    assert "Answer 0" in older.text
    assert 'class="unread"' not in older.text


async def test_notifications_need_a_session_and_an_empty_list_is_explained(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    assert (await client.get("/notifications")).headers["location"] == "/login?next=%2Fnotifications"
    assert (await client.post("/notifications")).status_code == 401
    assert "No notifications yet." in (await client.get("/notifications", headers=await sign_in("zed", Role.READER))).text


async def test_removed_comment_leaves_no_text_in_notifications(
    client: httpx2.AsyncClient, author: Context, post: Post, first: First
) -> None:
    comment, rob = first
    answer = await comments.create(author, post.id, NewComment(content="Rash words.", parent_id=comment.id))
    await comments.remove(author, answer.id)
    page = (await client.get("/notifications", headers=rob)).text
    assert "A reply to you was removed." in page
    assert "Rash words." not in page


async def test_long_queue_is_counted_up_to_a_limit(
    client: httpx2.AsyncClient, ctx: Context, author: Context, post: Post, first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "MAX_COUNTED", 2)
    comment, rob = first
    for _ in range(4):
        await comments.create(author, post.id, NewComment(content="Because.", parent_id=comment.id))
    assert unread(await client.get("/", headers=rob)) == "2"


async def test_unread_counts_cost_one_query_with_a_session_and_none_without(
    app: Application, first: First, sign_in: SignIn
) -> None:
    _, rob = first
    edo = await sign_in("edo", Role.EDITOR)
    async with opened(app) as (client, services):
        seen: list[str] = []
        services.site.db.on_query.append(lambda sql: seen.append(sql) if asked_by_test.get() else None)
        asked_by_test.set(True)
        counts = []
        for headers in ({}, rob, edo):
            seen.clear()
            assert (await client.get("/tags", headers=headers)).status_code == 200
            counts.append(sum("notifications" in sql for sql in seen))
        asked_by_test.set(False)
    assert counts == [0, 1, 1]


async def test_page_omits_unread_counts_that_are_unavailable(
    client: httpx2.AsyncClient, first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rob = first

    async def fail(ctx: Context) -> None:
        raise Unavailable

    monkeypatch.setattr(notifications, "unread_counts", fail)
    answer = await client.get("/tags", headers=rob)
    assert (answer.status_code, unread(answer)) == (200, None)
