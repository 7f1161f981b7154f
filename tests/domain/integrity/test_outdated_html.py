"""HTML of an older renderer is rendered again, without a change of the versions and of other writers' texts."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from blog.app import create_app
from blog.db import fulltext, tables
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.integrity import outdated_html
from blog.domain.posts import posts, rendering, search
from blog.domain.posts.post_content import PostContent
from blog.domain.posts.rendering import RenderedPost
from blog.domain.site import static_pages
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.schemas.static_pages import StaticPageInput
from blog.settings import Settings
from blog.text.markdown import RENDERER_VERSION
from tests.conftest import running

FIRST, OLD = "<p><em>First</em> words.</p>\n", "<p>old</p>"
TABLES = (tables.posts, tables.comments, tables.static_pages)


async def rows(ctx: Context, table: sa.Table) -> Sequence[Any]:
    return [dict(row) for row in await ctx.db.fetch_all(sa.select(table).order_by(table.c.id))]


async def set_outdated(ctx: Context, renderer_version: int = RENDERER_VERSION - 1) -> None:
    """Store HTML as an older renderer has left it, and other words in the search index."""
    for table in TABLES:
        await ctx.db.execute(table.update().values(html=OLD, renderer_version=renderer_version))
    await ctx.db.execute(tables.posts.update().values(excerpt="old", word_count=99))
    async with ctx.db.transaction():
        await fulltext.index(ctx.db, 1, title="First", names="a", body=fulltext.index_text("old"))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outdated_html, "_PAUSE", 0)


@pytest.fixture
async def filled(author: Context) -> Context:
    """A blog with a post, a draft, a deleted post, a comment and a page."""
    for title, status in (("First", "published"), ("Second", "draft"), ("Third", "published")):
        await posts.create(author, NewPost(title=title, content=f"*{title}* words.", tags=["a"], status=PostStatus(status)))
    await posts.delete(author, 3)
    await comments.create(author, 1, NewComment(content="*Well* said."))
    actor = author.require_actor()
    owner = author.acting_as(type(actor)(actor.id, actor.username, actor.name, Role.OWNER))
    await static_pages.create(owner, StaticPageInput(title="About", slug="about", content="*Us*"), reserved=())
    return author


async def test_every_text_of_an_older_renderer_is_rendered_again(filled: Context) -> None:
    before = {table: await rows(filled, table) for table in TABLES}
    position = await events.position(filled.db)
    await set_outdated(filled)
    assert await outdated_html.render_again(filled) == 5
    assert {table: await rows(filled, table) for table in TABLES} == before
    assert [result.post.title for result in (await search.search_posts(filled, "words")).items] == ["First"]
    assert await check_site(filled) == []
    assert {event.event_type for event in await events.after(filled.db, position.id)} == {EventType.SITE_CHANGED}
    assert await outdated_html.render_again(filled) == 0


async def test_text_of_the_same_or_a_newer_renderer_is_not_rendered(filled: Context) -> None:
    await set_outdated(filled, RENDERER_VERSION + 1)
    assert await outdated_html.render_again(filled) == 0


async def test_interrupted_run_is_continued(filled: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outdated_html, "BATCH_SIZE", 1)
    await set_outdated(filled)
    render, count = rendering.render_post_in_thread, 0

    async def fail_at_the_second(content: PostContent) -> RenderedPost:
        nonlocal count
        count += 1
        if count == 2:
            raise ZeroDivisionError
        return await render(content)

    monkeypatch.setattr(rendering, "render_post_in_thread", fail_at_the_second)
    with pytest.raises(ZeroDivisionError):
        await outdated_html.render_again(filled)
    assert [row["html"] for row in await rows(filled, tables.posts)] == [FIRST, OLD, OLD]
    assert await outdated_html.render_again(filled) == 4


async def test_edit_during_the_rendering_is_kept(filled: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await set_outdated(filled)
    render, changes = rendering.render_post_in_thread, [PostChanges(content="New.")]

    async def edit_meanwhile(content: PostContent) -> RenderedPost:
        if changes:
            async with asyncio.timeout(5):
                await asyncio.create_task(posts.edit(filled, 1, changes.pop()))
        return await render(content)

    monkeypatch.setattr(rendering, "render_post_in_thread", edit_meanwhile)
    await outdated_html.render_again(filled)
    post = await posts.get(filled, 1)
    assert (post.content, post.html, post.version) == ("New.", "<p>New.</p>\n", 2)
    assert await check_site(filled) == []


async def test_application_renders_again_at_its_start(filled: Context, settings: Settings) -> None:
    await set_outdated(filled)
    position = await events.position(filled.db)
    async with running(create_app(settings)), asyncio.timeout(20):
        watcher = filled.db.watcher()
        await watcher.open()
        while not await events.after(filled.db, position.id):
            await watcher.wait(1)
        await watcher.close()
    assert (await posts.get(filled, 1)).html == FIRST
