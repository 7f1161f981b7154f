"""Rules of posts in the domain, without an interface."""

import asyncio
import datetime as dt
from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts, rendering, revisions, scheduling, search
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import PostContent
from blog.domain.posts.post_filter import PostFilter
from blog.domain.posts.rendering import RenderedPost
from blog.errors import Conflict, VersionConflict
from blog.ops.integrity_check import check_site
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus


async def count(ctx: Context, table: sa.Table) -> int:
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(table)))


async def test_cancelled_writes_are_atomic(author: Context) -> None:
    """Cancel each write at each of its statements, including BEGIN and COMMIT: the post is stored completely or not at all."""
    for number in range(120):
        new = NewPost(title=f"Post {number}", content="some words", tags=["one", f"tag {number}"])
        task = asyncio.create_task(posts.create(author, new))
        left = number % 30

        def cut(_sql: str, task: asyncio.Task[Post] = task) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                task.cancel()

        author.db.on_query.append(cut)
        await asyncio.gather(task, return_exceptions=True)
        author.db.on_query.remove(cut)
    written = await count(author, tables.posts)
    assert 0 < written < 120, "some were cut, some were not"
    assert [
        await count(author, table) for table in (tables.revisions, tables.post_slugs, tables.events, tables.post_authors)
    ] == [written] * 4
    assert await count(author, tables.post_tags) == 2 * written
    assert await check_site(author) == []
    async with asyncio.timeout(10):
        await asyncio.gather(*(posts.create(author, NewPost(title="after", content="x")) for _ in range(20)))
    assert await count(author, tables.posts) == written + 20


async def test_event_and_change_are_committed_together(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))

    def fail(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("blog.domain.core.events.post_event", fail)
    with pytest.raises(ZeroDivisionError):
        await posts.edit(author, post.id, PostChanges(title="B"))
    assert await posts.get(author, post.id) == post
    assert len((await revisions.list_page(author, post.id, limit=10)).items) == 1


async def test_only_visible_changes_are_public_events(author: Context) -> None:
    draft = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    await posts.edit(author, draft.id, PostChanges(title="B"))
    assert await events.after(author.db, 0) == []
    await posts.edit(author, draft.id, PostChanges(status=PostStatus.PUBLISHED))
    await posts.edit(author, draft.id, PostChanges(title="C"))
    await posts.edit(author, draft.id, PostChanges(status=PostStatus.DRAFT))
    await posts.edit(author, draft.id, PostChanges(status=PostStatus.PUBLISHED))
    await posts.delete(author, draft.id)
    assert [event.event_type for event in await events.after(author.db, 0)] == [
        "post.published", "post.updated", "post.unpublished", "post.published", "post.deleted",
    ]  # fmt: skip


async def test_published_at_stays_the_first_publication(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    later = replace(author, now=author.now + dt.timedelta(days=1))
    await posts.edit(later, post.id, PostChanges(status=PostStatus.DRAFT))
    again = await posts.edit(later, post.id, PostChanges(status=PostStatus.PUBLISHED, content="y"))
    assert again.published_at == post.published_at
    assert again.updated_at == later.now


async def test_two_editors_of_one_version_do_not_overwrite_each_other(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    results = await asyncio.gather(
        *(posts.edit(author, post.id, PostChanges(title=title), if_match={1}) for title in ("B", "C")), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Post", "VersionConflict"]
    assert any(isinstance(result, VersionConflict) for result in results)
    assert (await posts.get(author, post.id)).version == 2


async def test_edits_without_a_version_are_all_applied(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    async with anyio.create_task_group() as writers:
        writers.start_soon(posts.edit, author, post.id, PostChanges(title="B"))
        writers.start_soon(posts.edit, author, post.id, PostChanges(content="y"))
        writers.start_soon(posts.edit, author, post.id, PostChanges(tags=["z"]))
    after = await posts.get(author, post.id)
    assert (after.title, after.content, after.tags, after.version) == ("B", "y", ("z",), 4)


async def test_text_changed_by_another_writer_is_rendered_again_without_the_write_lock(
    author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await posts.create(author, NewPost(title="A", content="Old."))
    render, other_changes = rendering.render_post_in_thread, [PostChanges(content="New."), PostChanges(tags=["z"])]

    async def render_slowly(content: PostContent) -> RenderedPost:
        if content.title == "B" and other_changes:
            async with asyncio.timeout(5):
                await asyncio.create_task(posts.edit(author, post.id, other_changes.pop(0)))
        return await render(content)

    monkeypatch.setattr(rendering, "render_post_in_thread", render_slowly)
    after = await posts.edit(author, post.id, PostChanges(title="B"))
    assert (after.title, after.content, after.html, after.tags, after.version) == ("B", "New.", "<p>New.</p>\n", ("z",), 4)


async def test_tag_channel_reports_a_removed_tag(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", tags=["Maths"]))
    await posts.edit(author, post.id, PostChanges(tags=["engines"]))
    channels = [event.channels for event in await events.after(author.db, 0, limit=10)]
    assert "tag:maths" in channels[1]
    assert "tag:engines" in channels[1]


async def test_scheduled_post_is_published_once_and_on_time(author: Context, ctx: Context) -> None:
    at = author.now + dt.timedelta(hours=1)
    post = await posts.create(author, NewPost(title="Soon", content="x", status=PostStatus.SCHEDULED, publish_at=at))
    assert await scheduling.publish_due(ctx) == 0
    late = replace(ctx, now=at + dt.timedelta(days=2))
    assert sorted(await asyncio.gather(*(scheduling.publish_due(late) for _ in range(4)))) == [0, 0, 0, 1]
    seen = await posts.get(ctx, post.id)
    assert (seen.status, seen.published_at, seen.publish_at) == (PostStatus.PUBLISHED, at, None)
    assert [event.event_type for event in await events.after(ctx.db, 0)] == ["post.published"]
    assert (await revisions.list_page(author, post.id, limit=10)).items[0].status is PostStatus.PUBLISHED


async def test_deleted_post_is_in_no_list_and_keeps_its_slug(author: Context, ctx: Context) -> None:
    post = await posts.create(author, NewPost(title="Gone", content="needle", tags=["x"]))
    await comments.create(author, post.id, NewComment(content="yes"))
    await posts.delete(author, post.id)
    assert (await post_lists.list_page(ctx, PostFilter())).items == []
    assert (await search.search_posts(ctx, "needle")).total == 0
    assert list(await post_lists.archive(ctx)) == []
    assert list((await comments.by_user(ctx, 1, limit=5)).items) == []
    with pytest.raises(Conflict):
        await posts.create(author, NewPost(title="Other", content="x", slug="gone"))


async def test_front_page_and_cursor_are_from_one_snapshot(author: Context, ctx: Context) -> None:
    before = await post_lists.front_page(ctx)
    await posts.create(author, NewPost(title="A", content="x"))
    after = await post_lists.front_page(ctx)
    assert [event.id for event in await events.after(ctx.db, before.position.id)] == [after.position.id]
    assert before.position.epoch == after.position.epoch != ""


async def test_titles_with_one_stem_get_numbers(author: Context) -> None:
    slugs = [(await posts.create(author, NewPost(title="Ünïcode & more", content="x"))).slug for _ in range(3)]
    assert slugs == ["unicode-more", "unicode-more-2", "unicode-more-3"]


async def test_posts_with_one_title_get_distinct_numbers(author: Context) -> None:
    await posts.create(author, NewPost(title="x", content="x", slug="engine-8"))
    async with author.db.transaction():
        slugs = [(await posts.create(author, NewPost(title="Engine", content="x"))).slug for _ in range(70)]
    assert slugs[:4] == ["engine", "engine-2", "engine-3", "engine-4"]
    assert len({*slugs, "engine-8"}) == 71
    assert {*slugs} <= {"engine", *(f"engine-{number}" for number in range(2, 76))}
