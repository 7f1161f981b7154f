"""The list of accounts: filters, orders, pages, and the time of the last use."""

import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts, imported_authors, sessions, suspension, tokens, user_directory
from blog.domain.accounts.user_directory import MemberFilter
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.errors import Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.members import CommentsOnSuspension, MemberSort, MemberStatus
from blog.schemas.posts import NewPost, PostStatus
from tests.conftest import MakeUser
from tests.support.optional import unwrap

HOUR = dt.timedelta(hours=1)


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))


@pytest.fixture
async def people(ctx: Context, owner: Context, author: Context, make_user: MakeUser) -> Context:
    """Return the context of the owner, in a blog with ora, ada (two posts), rob (a comment), eve and an imported author."""
    rob = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    await make_user("eve", Role.READER)
    for title, status in (("A", PostStatus.PUBLISHED), ("B", PostStatus.PUBLISHED), ("C", PostStatus.DRAFT)):
        post = await posts.create(author, NewPost(title=title, content="x", status=status))
        if status is PostStatus.PUBLISHED:
            await comments.create(rob, post.id, NewComment(content="Yes."))
    async with ctx.db.transaction():
        await imported_authors.get_or_create_author(ctx, "Mary Somerville")
    await sessions.start(replace(ctx, now=ctx.now - HOUR), rob.require_actor(), "a browser")
    await sessions.start(ctx, author.require_actor(), "a browser")
    await suspension.suspend(ctx, "eve", CommentsOnSuspension.KEEP)
    return owner


async def names(ctx: Context, **wanted: object) -> list[str]:
    return [entry.username for entry in (await user_directory.list_page(ctx, MemberFilter(**wanted))).items]  # type: ignore[arg-type]


async def test_filters_select_by_text_role_and_status(people: Context) -> None:
    assert await names(people) == ["Mary-Somerville", "eve", "rob", "ada", "ora"]
    assert await names(people, text="ROB@example") == ["rob"]
    assert await names(people, text="somerv") == ["Mary-Somerville"]
    assert await names(people, role=Role.READER) == ["eve", "rob"]
    assert await names(people, status=MemberStatus.SUSPENDED) == ["eve"]
    assert await names(people, status=MemberStatus.IMPORTED) == ["Mary-Somerville"]
    assert await names(people, status=MemberStatus.ACTIVE) == ["rob", "ada", "ora"]


@pytest.mark.parametrize(("sort", "expected"), [
    (MemberSort.NEWEST, ["Mary-Somerville", "eve", "rob", "ada", "ora"]),
    (MemberSort.USERNAME, ["ada", "eve", "Mary-Somerville", "ora", "rob"]),
    (MemberSort.LAST_SEEN, ["ada", "rob", "Mary-Somerville", "eve", "ora"]),
    (MemberSort.POSTS, ["ada", "Mary-Somerville", "eve", "rob", "ora"]),
    (MemberSort.COMMENTS, ["rob", "Mary-Somerville", "eve", "ada", "ora"]),
])  # fmt: skip
async def test_every_order_is_the_same_on_pages_of_one(people: Context, sort: MemberSort, expected: list[str]) -> None:
    assert await names(people, sort=sort) == expected
    found: list[str] = []
    key = None
    for _ in expected:
        page = await user_directory.list_page(people, MemberFilter(sort=sort, limit=1, after=key))
        found, key = [*found, *(entry.username for entry in page.items)], page.next
    assert (found, key) == (expected, None)


async def test_entry_has_counts_and_states(people: Context) -> None:
    ada = await user_directory.get(people, (await accounts.by_username(people, "ada")).id)
    assert (ada.post_count, ada.comment_count, ada.last_seen_at, ada.can_sign_in) == (2, 0, people.now, True)
    eve = await user_directory.get(people, (await accounts.by_username(people, "eve")).id)
    assert (eve.suspended_at, eve.last_seen_at) == (people.now, None)
    with pytest.raises(NotFound):
        await user_directory.get(people, 999)


async def test_list_is_for_owners_and_refuses_cursors_of_another_order(people: Context, author: Context) -> None:
    with pytest.raises(Forbidden):
        await user_directory.list_page(author)
    with pytest.raises(InvalidInput):
        await user_directory.list_page(people, MemberFilter(sort=MemberSort.LAST_SEEN, after=("ada", 1)))


async def test_last_use_is_written_once_an_hour(ctx: Context, author: Context) -> None:
    async def seen() -> dt.datetime | None:
        value: dt.datetime | None = await ctx.db.fetch_val(sa.select(tables.users.c.last_seen_at))
        return value

    assert await seen() is None
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    token = (await tokens.issue(ctx, author.require_actor(), name="test")).value
    assert await seen() == ctx.now
    for minutes, expected in ((30, ctx.now), (90, ctx.now + 1.5 * HOUR), (140, ctx.now + 1.5 * HOUR)):
        later = replace(ctx, now=ctx.now + dt.timedelta(minutes=minutes))
        assert unwrap(await sessions.load(later, session)).actor.username == "ada"
        assert await seen() == expected
    later = replace(ctx, now=ctx.now + 3 * HOUR)
    assert await tokens.authenticate(later, token)
    assert await seen() == later.now
