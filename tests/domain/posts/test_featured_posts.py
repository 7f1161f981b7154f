"""Featured posts come first on the home page; editors choose them."""

import dataclasses
import datetime as dt

import pytest

from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import feeds, post_lists, posts, revisions
from blog.domain.posts.post_filter import PostFilter
from blog.errors import Forbidden
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import MakeUser


@pytest.fixture
async def editor(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))


async def write(actor: Context, number: int, **members: object) -> int:
    """Create a post of `number` days ago, and return its id."""
    then = dataclasses.replace(actor, now=actor.now - dt.timedelta(days=number))
    return (await posts.create(then, NewPost.model_validate({"title": f"Post {number}", "content": "x", **members}))).id


async def test_only_editors_change_whether_a_post_is_featured(author: Context, editor: Context) -> None:
    with pytest.raises(Forbidden):
        await posts.create(author, NewPost(title="A", content="x", featured=True))
    post = await posts.create(author, NewPost(title="A", content="x", featured=False))
    with pytest.raises(Forbidden):
        await posts.edit(author, post.id, PostChanges(featured=True))
    await posts.edit(editor, post.id, PostChanges(featured=True))
    assert (await posts.edit(author, post.id, PostChanges(title="B", featured=True))).featured
    assert (await posts.replace(author, post.id, NewPost(title="C", content="x"))).featured, "PUT without the member keeps it"
    assert (await revisions.restore(author, post.id, 1)).post.featured, "an old version changes it neither"
    with pytest.raises(Forbidden):
        await posts.replace(author, post.id, NewPost(title="C", content="x", featured=False))


async def test_newest_featured_posts_are_on_the_first_page_alone(editor: Context, ctx: Context) -> None:
    ids = [await write(editor, number, featured=number in (1, 20, 23, 24, 25)) for number in range(26)]
    await write(editor, 30, featured=True, status=PostStatus.DRAFT)
    first = await post_lists.front_page(ctx)
    assert [post.id for post in first.featured] == [ids[1], ids[20], ids[23]]
    assert [post.id for post in first.page.items] == ids[:20], "also at its place in the list"
    assert first.featured[1].tags == ()
    assert first.featured[1].author == "eve"
    second = await post_lists.front_page(ctx, first.page.next)
    assert (second.featured, [post.id for post in second.page.items]) == ([], ids[20:])
    listed = await post_lists.list_page(ctx, PostFilter())
    assert (listed.items, listed.next) == (first.page.items, first.page.next)
    assert [post.id for post in (await feeds.newest(ctx)).posts] == ids[:20]


async def test_short_blog_has_one_page(editor: Context, ctx: Context) -> None:
    ids = [await write(editor, number, featured=number == 2) for number in range(3)]
    await posts.delete(editor, await write(editor, 4, featured=True))
    page = await post_lists.front_page(ctx)
    assert ([post.id for post in page.featured], [post.id for post in page.page.items], page.page.next) == ([ids[2]], ids, None)
