"""What is typed and not saved."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.posts import autosaves, posts
from blog.errors import Forbidden, NotFound, NotSignedIn
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostStatus

FORM = {"title": "Half", "content": "a thou", "tags": "", "status": "published"}


def later(ctx, minutes=1):
    return replace(ctx, now=ctx.now + dt.timedelta(minutes=minutes))


async def rows(ctx):
    return await ctx.db.fetch_all(sa.select(tables.autosaves).order_by(tables.autosaves.c.id))


async def test_form_is_kept_in_one_place_as_it_grows(author):
    first = await autosaves.keep(author, FORM)
    again = await autosaves.keep(later(author), FORM | {"content": "a thought"}, autosave_id=first)
    assert again == first
    (kept,) = await autosaves.of_new_posts(author)
    assert (kept.id, kept.title, kept.form["content"], kept.updated_at) == (first, "Half", "a thought", later(author).now)


async def test_two_new_posts_do_not_overwrite_each_other(author):
    await autosaves.keep(author, FORM | {"title": "One"})
    await autosaves.keep(later(author), FORM | {"title": "Two"})
    assert [kept.title for kept in await autosaves.of_new_posts(author)] == ["Two", "One"]


async def test_new_post_without_a_word_is_not_kept(author):
    assert await autosaves.keep(author, {"title": " ", "content": "\n", "status": "draft"}) is None
    kept = await autosaves.keep(author, FORM)
    assert await autosaves.keep(author, {"title": "", "content": ""}, autosave_id=kept) is None
    assert await rows(author) == []


async def test_emptied_post_is_a_change_and_kept(author):
    post = await posts.create(author, NewPost(title="A", content="x"))
    kept = await autosaves.keep(author, {"title": "", "content": ""}, post=post)
    (found,) = await autosaves.of_post(author, post)
    assert (found.id, found.post_id, found.slug, found.title) == (kept, post.id, "a", "A")


async def test_only_so_many_are_kept_and_the_oldest_go(author):
    for number in range(autosaves.KEPT + 3):
        await autosaves.keep(later(author, number), FORM | {"title": f"Post {number}"})
    assert [row["form"]["title"] for row in await rows(author)] == [f"Post {number}" for number in range(3, autosaves.KEPT + 3)]


async def test_others_see_and_change_nothing_of_it(author, ctx, make_user):
    editor = ctx.acting_as(accounts.actor_of(await make_user("eve", Role.EDITOR)))
    post = await posts.create(author, NewPost(title="A", content="x"))
    kept = await autosaves.keep(author, FORM, post=post)
    new = await autosaves.keep(author, FORM)
    assert [await autosaves.of_post(editor, post), await autosaves.newest(editor)] == [[], []]
    for autosave_id in (kept, new):
        with pytest.raises(NotFound):
            await autosaves.discard(editor, autosave_id)
        await autosaves.finish(editor, autosave_id)
    assert await autosaves.keep(editor, FORM | {"title": "Eve's"}, autosave_id=new) != new
    assert [row["form"]["title"] for row in await rows(ctx)] == ["Half", "Half", "Eve's"]


async def test_autosave_of_one_post_is_never_taken_for_that_of_another(author):
    one = await posts.create(author, NewPost(title="One", content="x"))
    two = await posts.create(author, NewPost(title="Two", content="x"))
    first = await autosaves.keep(author, FORM, post=one)
    assert await autosaves.keep(author, FORM, post=two, autosave_id=first) != first
    assert len(await autosaves.of_post(author, one)) == 1


async def test_who_may_not_change_a_post_keeps_nothing_of_it(author, ctx, make_user):
    draft = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    other = ctx.acting_as(accounts.actor_of(await make_user("bob")))
    reader = ctx.acting_as(accounts.actor_of(await make_user("rae", Role.READER)))
    for who, error in ((ctx, NotSignedIn), (reader, Forbidden), (other, NotFound)):
        with pytest.raises(error):
            await autosaves.keep(who, FORM, post=draft)
    for who, error in ((ctx, NotSignedIn), (reader, Forbidden)):
        with pytest.raises(error):
            await autosaves.keep(who, FORM)
    assert await rows(ctx) == []


async def test_texts_of_deleted_posts_are_not_offered(author):
    post = await posts.create(author, NewPost(title="A", content="x"))
    await autosaves.keep(author, FORM, post=post)
    assert len(await autosaves.newest(author)) == 1
    await posts.delete(author, post.id)
    assert await autosaves.newest(author) == []


async def test_same_autosave_kept_at_once_stays_one(author):
    kept = await autosaves.keep(author, FORM)
    texts = [f"text {number}" for number in range(10)]
    ids = await asyncio.gather(*(autosaves.keep(author, FORM | {"content": text}, autosave_id=kept) for text in texts))
    assert set(ids) == {kept}
    assert len(await rows(author)) == 1
