"""Autosaves: unsaved text of writers."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import autosaves, posts
from blog.domain.read_models import dashboard
from blog.errors import Forbidden, NotAuthenticated, NotFound
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostStatus
from tests.conftest import MakeUser

FORM = {"title": "Half", "content": "a thou", "tags": "", "status": "published"}


def later(ctx: Context, minutes: int = 1) -> Context:
    return replace(ctx, now=ctx.now + dt.timedelta(minutes=minutes))


async def rows(ctx: Context) -> Sequence[Record]:
    return await ctx.db.fetch_all(sa.select(tables.autosaves).order_by(tables.autosaves.c.id))


async def test_autosave_is_overwritten_as_the_form_grows(author: Context) -> None:
    first = await autosaves.save(author, FORM)
    again = await autosaves.save(later(author), FORM | {"content": "a thought"}, autosave_id=first)
    assert again == first
    (autosave,) = await autosaves.list_own(author)
    assert (autosave.id, autosave.title, autosave.form["content"], autosave.updated_at) == (
        first,
        "Half",
        "a thought",
        later(author).now,
    )


async def test_two_new_posts_do_not_overwrite_each_other(author: Context) -> None:
    await autosaves.save(author, FORM | {"title": "One"})
    await autosaves.save(later(author), FORM | {"title": "Two"})
    assert [autosave.title for autosave in await autosaves.list_own(author)] == ["Two", "One"]


async def test_empty_new_post_is_not_stored(author: Context) -> None:
    assert await autosaves.save(author, {"title": " ", "content": "\n", "status": "draft"}) is None
    saved_id = await autosaves.save(author, FORM)
    assert await autosaves.save(author, {"title": "", "content": ""}, autosave_id=saved_id) is None
    assert await rows(author) == []


async def test_emptied_existing_post_is_stored(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    saved_id = await autosaves.save(author, {"title": "", "content": ""}, post)
    (autosave,) = await autosaves.list_own(author, post)
    assert (autosave.id, autosave.post_id, autosave.slug, autosave.title) == (saved_id, post.id, "a", "A")


async def test_oldest_autosaves_are_deleted_above_the_limit(author: Context) -> None:
    for number in range(autosaves.MAX_PER_TEXT + 3):
        await autosaves.save(later(author, number), FORM | {"title": f"Post {number}"})
    assert [row["form"]["title"] for row in await rows(author)] == [
        f"Post {number}" for number in range(3, autosaves.MAX_PER_TEXT + 3)
    ]


async def test_autosaves_are_private(author: Context, ctx: Context, make_user: MakeUser) -> None:
    editor = ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))
    post = await posts.create(author, NewPost(title="A", content="x"))
    saved_id = await autosaves.save(author, FORM, post)
    new = await autosaves.save(author, FORM)
    assert [await autosaves.list_own(editor, post), (await dashboard.read(editor)).unfinished] == [[], []]
    for autosave_id in (saved_id, new):
        assert autosave_id is not None
        with pytest.raises(NotFound):
            await autosaves.discard(editor, autosave_id)
        await autosaves.discard_saved(editor, autosave_id)
    assert await autosaves.save(editor, FORM | {"title": "Eve's"}, autosave_id=new) != new
    assert [row["form"]["title"] for row in await rows(ctx)] == ["Half", "Half", "Eve's"]


async def test_autosave_of_another_post_is_not_overwritten(author: Context) -> None:
    one = await posts.create(author, NewPost(title="One", content="x"))
    two = await posts.create(author, NewPost(title="Two", content="x"))
    first = await autosaves.save(author, FORM, one)
    assert await autosaves.save(author, FORM, two, autosave_id=first) != first
    assert len(await autosaves.list_own(author, one)) == 1


async def test_autosave_needs_the_right_to_edit(author: Context, ctx: Context, make_user: MakeUser) -> None:
    draft = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    other = ctx.acting_as(accounts.as_actor(await make_user("bob")))
    reader = ctx.acting_as(accounts.as_actor(await make_user("rae", Role.READER)))
    for who, error in ((ctx, NotAuthenticated), (reader, Forbidden), (other, NotFound)):
        with pytest.raises(error):
            await autosaves.save(who, FORM, draft)
    for who, error in ((ctx, NotAuthenticated), (reader, Forbidden)):
        with pytest.raises(error):
            await autosaves.save(who, FORM)
    assert await rows(ctx) == []


async def test_autosaves_of_deleted_posts_are_not_listed(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    await autosaves.save(author, FORM, post)
    assert len((await dashboard.read(author)).unfinished) == 1
    await posts.delete(author, post.id)
    assert (await dashboard.read(author)).unfinished == []


async def test_concurrent_saves_of_one_autosave_store_one_row(author: Context) -> None:
    saved_id = await autosaves.save(author, FORM)
    texts = [f"text {number}" for number in range(10)]
    ids = await asyncio.gather(*(autosaves.save(author, FORM | {"content": text}, autosave_id=saved_id) for text in texts))
    assert set(ids) == {saved_id}
    assert len(await rows(author)) == 1


async def test_same_text_is_stored_once(author: Context) -> None:
    first = await autosaves.save(author, FORM | {"stamp": "a:1", "version": "1"})
    assert await autosaves.save(later(author), FORM | {"stamp": "b:1", "version": "2"}) == first
    assert await autosaves.save(later(author), FORM | {"content": "another"}) != first
    post = await posts.create(author, NewPost(title="A", content="x"))
    assert await autosaves.save(author, FORM, post) != first, "of another post"
    assert len(await autosaves.list_own(author)) == 2
