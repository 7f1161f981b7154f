"""A clock that is set back by hours: sessions stay valid, no data is lost, and order does not depend on the clock."""

import dataclasses
import datetime as dt

import pytest

from blog.domain.accounts import accounts, sessions, tokens
from blog.domain.comments import comments, moderation_rules
from blog.domain.core import event_retention, events
from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts, scheduling
from blog.domain.posts.post_filter import PostFilter
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import Role
from blog.schemas.comments import CommentStatus, NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import MakeUser

BACK = dt.timedelta(hours=3)


@pytest.fixture
def earlier(author: Context) -> Context:
    """Return the author's context after the clock was set back."""
    return dataclasses.replace(author, now=author.now - BACK)


async def test_sessions_and_tokens_stay_valid(author: Context, earlier: Context) -> None:
    session = await sessions.start(author, author.require_actor(), "browser")
    token = await tokens.issue(author, author.require_actor(), name="x")
    loaded, actor = await sessions.load(earlier, session), await tokens.authenticate(earlier, token.value)
    assert loaded is not None
    assert actor is not None
    assert loaded.actor.id == actor.id == author.require_actor().id


async def test_events_and_versions_are_in_write_order(author: Context, earlier: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="1"))
    changed = await posts.edit(earlier, post.id, PostChanges(content="2"))
    assert changed.version == 2
    log = await events.after(author.db, 0)
    assert [event.event_type for event in log] == ["post.published", "post.updated"]
    assert log[0].occurred_at > log[1].occurred_at, "the clock says otherwise"
    assert await event_retention.trim(earlier) == 0
    assert await check_site(earlier) == []


async def test_scheduled_post_is_published_at_its_time_and_once(author: Context, earlier: Context) -> None:
    when = author.now + dt.timedelta(hours=1)
    post = await posts.create(author, NewPost(title="A", content="1", status=PostStatus.SCHEDULED, publish_at=when))
    due = dataclasses.replace(author, now=when)
    assert await scheduling.publish_due(earlier) == 0
    assert await scheduling.publish_due(due) == 1
    assert await scheduling.publish_due(earlier) == await scheduling.publish_due(due) == 0
    assert (await posts.get(earlier, post.id)).status is PostStatus.PUBLISHED, "what is published stays so"


async def test_pages_of_a_list_neither_skip_nor_repeat(author: Context, earlier: Context) -> None:
    ids = {(await posts.create(ctx, NewPost(title="A", content="1"))).id for ctx in (author, earlier, author, earlier, author)}
    found, key = [], None
    while True:
        page = await post_lists.list_page(earlier, PostFilter(limit=2, after=key))
        found += [post.id for post in page.items]
        if (key := page.next) is None:
            break
    assert sorted(found) == sorted(ids)


async def test_comments_dated_in_the_future_do_not_count_towards_the_rate(author: Context, make_user: MakeUser) -> None:
    post = await posts.create(author, NewPost(title="A", content="1"))
    reader = author.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    written = [await comments.create(reader, post.id, NewComment(content="x")) for _ in range(moderation_rules.MAX_PER_WINDOW)]
    assert {comment.status for comment in written} == {CommentStatus.VISIBLE}
    held = await comments.create(reader, post.id, NewComment(content="z"))
    assert held.status is CommentStatus.PENDING, "the rule applies to this reader"
    earlier = dataclasses.replace(reader, now=reader.now - BACK)
    assert (await comments.create(earlier, post.id, NewComment(content="y"))).status is CommentStatus.VISIBLE
