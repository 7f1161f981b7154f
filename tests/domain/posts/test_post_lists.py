"""Lists by tag and by author use `listed_at` in the link tables, which triggers keep equal to the date of the post."""

import contextlib
import dataclasses
import datetime as dt
import sqlite3
from typing import Any

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts, scheduling
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import UNDELETE_WINDOW, PostFilter
from blog.errors import NotFound
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges, PostSort, PostStatus
from tests.conftest import MakeUser

HOUR = dt.timedelta(hours=1)


async def dates(ctx: Context) -> set[dt.datetime | None]:
    """Return the dates of all links of the one post."""
    values: set[dt.datetime | None] = set()
    for links in (tables.post_tags, tables.post_authors):
        values |= {row["listed_at"] for row in await ctx.db.fetch_all(sa.select(links.c.listed_at))}
    return values


async def listed(ctx: Context, **filters: Any) -> list[str]:
    return [post.title for post in (await post_lists.list_page(ctx, PostFilter(**filters))).items]


async def counts(ctx: Context, **filters: Any) -> int:
    return await post_lists.count(ctx, PostFilter(**filters))


async def test_listed_at_follows_the_status_of_a_post(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", tags=["one"], status=PostStatus.DRAFT))
    assert await dates(author) == {None}
    post = await posts.edit(author, post.id, PostChanges(status=PostStatus.PUBLISHED, tags=["one", "two"]))
    assert await dates(author) == {post.published_at}
    await posts.edit(author, post.id, PostChanges(tags=["three", "two"]))
    assert await dates(author) == {post.published_at}
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    assert await dates(author) == {None}
    await posts.edit(author, post.id, PostChanges(status=PostStatus.PUBLISHED))
    await posts.delete(author, post.id)
    assert await dates(author) == {None}
    await posts.undelete(author, post.id)
    assert await dates(author) == {post.published_at}


async def test_scheduled_posts_are_listed_from_their_time_on(author: Context) -> None:
    at = author.now + HOUR
    await posts.create(author, NewPost(title="A", content="x", tags=["one"], status=PostStatus.SCHEDULED, publish_at=at))
    assert await listed(author, tags=("one",)) == []
    later = Context(author.site, author.actor, at + HOUR, "later")
    assert await scheduling.publish_due(later) == 1
    assert await dates(author) == {at}
    assert await listed(author, tags=("one",)) == ["A"]


async def test_filters_are_combined_and_paged(author: Context, make_user: MakeUser) -> None:
    other = author.acting_as(accounts.as_actor(await make_user("grace", Role.AUTHOR)))
    for number in range(5):
        await posts.create(author, NewPost(title=f"Mine {number}", content="a loom", tags=["one", "two"][: 1 + number % 2]))
    await posts.create(other, NewPost(title="Theirs", content="a loom", tags=["one"]))
    me = author.require_actor().username
    assert await listed(author, tags=("two", "one")) == ["Mine 3", "Mine 1"]
    assert await listed(author, tags=("ONE",), author=me.upper()) == [f"Mine {number}" for number in (4, 3, 2, 1, 0)]
    assert await listed(author, tags=("two",), author_id=author.require_actor().id, text="loom") == ["Mine 3", "Mine 1"]
    assert await listed(author, author=me, author_id=other.require_actor().id) == []
    assert await listed(author, tags=("none",)) == await listed(author, author="nobody") == await listed(author, text="...") == []
    assert [await counts(author, tags=("one",)), await counts(author, author=me, tags=("two",)), await counts(author)] == [
        6,
        2,
        6,
    ]
    first = await post_lists.list_page(author, PostFilter(tags=("one",), limit=4))
    rest = await post_lists.list_page(author, PostFilter(tags=("one",), limit=4, after=first.next))
    assert [post.title for post in (*first.items, *rest.items)] == ["Theirs", *(f"Mine {number}" for number in (4, 3, 2, 1, 0))]
    assert rest.next is None


async def walked(ctx: Context, **filters: Any) -> list[str]:
    """Return the titles on all pages."""
    titles, after = [], None
    while True:
        page = await post_lists.list_page(ctx, PostFilter(**filters, after=after))
        titles += [post.title for post in page.items]
        if (after := page.next) is None:
            return titles


@pytest.mark.parametrize("window", [1, 3, 250])
async def test_frequent_words_use_another_plan_with_equal_results(
    author: Context, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    late = await posts.create(author, NewPost(title="Loom, late", content="x", tags=["one"], status=PostStatus.DRAFT))
    for number in range(9):
        text = "loom" if number % 3 else "other"
        await posts.create(author, NewPost(title=f"{number}", content=text, tags=["one", "two"][: 1 + number % 2]))
    await posts.create(author, NewPost(title="Loom, hidden", content="x", status=PostStatus.DRAFT))
    later = Context(author.site, author.actor, author.now + HOUR, "later")
    await posts.edit(later, late.id, PostChanges(status=PostStatus.PUBLISHED))
    filters: list[dict[str, Any]] = [
        {"text": "loom", "limit": limit} | more for limit in (1, 2, 20) for more in ({}, {"tags": ("one",)}, {"tags": ("two",)})
    ]
    rare = [await walked(author, **each) for each in filters]
    assert rare == [["Loom, late", *"875421"], ["Loom, late", *"875421"], ["7", "5", "1"]] * 3
    monkeypatch.setattr(post_lists, "_MAX_DIRECT_LOOKUPS", 2)
    monkeypatch.setattr(post_lists, "_SCAN_WINDOW", window)
    assert [await walked(author, **each) for each in filters] == rare
    assert await walked(author, text="loom", status=PostStatus.DRAFT) == ["Loom, hidden"]


@pytest.mark.sqlite
async def test_frequent_words_are_searched_in_the_newest_posts_only(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        await posts.create(author, NewPost(title=f"Loom {number}", content="x"))
    monkeypatch.setattr(post_lists, "_MAX_DIRECT_LOOKUPS", 10)
    monkeypatch.setattr(post_lists, "_SCAN_WINDOW", 25)
    statements: list[str] = []
    author.db.on_query.append(statements.append)
    assert len(await listed(author, text="loom", limit=20)) == 20
    searches = [sql for sql in statements if "posts_fts" in sql]
    assert len(searches) == 2
    assert "BETWEEN" in searches[1]


@pytest.mark.sqlite
@pytest.mark.parametrize("post_filter", [PostFilter(("one",)), PostFilter(author="ada"), PostFilter(("one",), author="ada")])
async def test_lists_are_read_in_the_order_of_an_index(author: Context, post_filter: PostFilter) -> None:
    """Sorting, or reading all posts, takes longer with each post."""
    plan = await _plan(author, post_filter)
    assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")], plan
    assert any("listed_at" in step for step in plan), plan


@pytest.mark.sqlite
@pytest.mark.parametrize("sort", PostSort)
async def test_each_order_has_an_index(author: Context, sort: PostSort) -> None:
    plan = await _plan(author, PostFilter(status=None, author_id=1, sort=sort))
    assert not [step for step in plan if "TEMP B-TREE" in step], plan


async def _plan(ctx: Context, post_filter: PostFilter) -> list[str]:
    """Return the steps in which SQLite reads a page."""
    statements: list[str] = []
    ctx.db.on_query.append(statements.append)
    await post_lists.list_page(ctx, post_filter)
    query = next(sql for sql in statements if sql.startswith("SELECT"))
    with contextlib.closing(sqlite3.connect(ctx.db.url.database)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", [0] * query.count("?"))]


@pytest.mark.parametrize("limit", [1, 2, 3, 20])
async def test_each_order_lists_every_post_once(ctx: Context, make_user: MakeUser, limit: int) -> None:
    editor = ctx.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))
    for number, title in enumerate(["beta", "Alpha", "beta", "Gamma", "alpha"]):
        at = Context(editor.site, editor.actor, editor.now - number * HOUR, "earlier")
        status = (PostStatus.DRAFT, PostStatus.PUBLISHED)[number % 2]
        post = await posts.create(at, NewPost(title=title, content="x", status=status))
        values = {"comment_count": number % 3, "view_count": number * 7 % 4}
        await ctx.db.execute(tables.posts.update().where(tables.posts.c.id == post.id).values(values))
    for sort in PostSort:
        keys = [
            (_sort_value(post, sort), post.id) for post in await _walk(editor, PostFilter(status=None, sort=sort, limit=limit))
        ]
        assert len(keys) == 5
        assert keys == sorted(keys, reverse=sort.is_descending), sort


async def _walk(ctx: Context, post_filter: PostFilter) -> list[Post]:
    page = await post_lists.list_page(ctx, post_filter)
    rest = await _walk(ctx, dataclasses.replace(post_filter, after=page.next)) if page.next else []
    return [*page.items, *rest]


def _sort_value(post: Post, sort: PostSort) -> Any:
    by_field = {"title": post.title.lower(), "comments": post.comment_count, "views": post.view_count}
    return by_field.get(sort.field, post.updated_at)


async def test_only_editors_list_the_drafts_and_the_trash_of_others(author: Context, make_user: MakeUser) -> None:
    editor = author.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))
    other = author.acting_as(accounts.as_actor(await make_user("grace", Role.AUTHOR)))
    draft = await posts.create(author, NewPost(title="Draft", content="x", status=PostStatus.DRAFT))
    assert await listed(editor, status=PostStatus.DRAFT) == await listed(author, status=PostStatus.DRAFT) == ["Draft"]
    assert await listed(other, status=PostStatus.DRAFT) == await listed(other, status=None) == []
    await posts.delete(author, draft.id)
    trash: dict[str, Any] = {"status": None, "is_deleted": True}
    assert await listed(editor, **trash) == await listed(author, **trash, text="RAF") == ["Draft"]
    assert await listed(other, **trash) == await listed(editor, **trash, text="R%F") == await listed(editor, status=None) == []
    later = Context(author.site, author.actor, author.now + UNDELETE_WINDOW, "later")
    assert await listed(later, **trash) == []
    with pytest.raises(NotFound):
        await posts.undelete(later, draft.id)
