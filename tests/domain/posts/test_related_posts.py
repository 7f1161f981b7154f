"""Related posts: the previous, the next and similar ones."""

import datetime as dt
from dataclasses import replace
from typing import Any

from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.posts.related_posts import RelatedPosts
from blog.domain.read_models import post as read_models_post
from blog.schemas.posts import NewPost, PostChanges, PostStatus


async def write(author: Context, title: str, *, age: int = 0, **fields: Any) -> Post:
    then = replace(author, now=author.now - dt.timedelta(days=age))
    return await posts.create(then, NewPost(title=title, content="x", **fields))


async def related_to(ctx: Context, post: Post) -> RelatedPosts:
    return (await read_models_post.read(ctx, post.slug)).related


def titles(related: RelatedPosts) -> tuple[list[str | None], list[str]]:
    neighbours = [entry.title if entry else None for entry in (related.older, related.newer)]
    return neighbours, [entry.title for entry in related.similar]


async def test_previous_and_next_are_ordered_by_time(author: Context) -> None:
    made = [await write(author, f"Post {age}", age=age) for age in range(5)]
    related = await related_to(author, made[2])
    assert titles(related) == (["Post 3", "Post 1"], [])
    assert related.older is not None
    assert related.older.slug == "post-3"
    assert related.older.published_at == made[3].published_at
    assert titles(await related_to(author, made[0])) == (["Post 1", None], [])
    assert titles(await related_to(author, made[4])) == ([None, "Post 3"], [])


async def test_posts_with_equal_times_have_a_stable_order(author: Context) -> None:
    made = [await write(author, f"Post {number}") for number in range(3)]
    assert titles(await related_to(author, made[1]))[0] == ["Post 0", "Post 2"]


async def test_related_share_most_tags_then_are_newest(author: Context) -> None:
    post = await write(author, "This", age=9, tags=["a", "b", "c"])
    await write(author, "One, old", age=8, tags=["a"])
    await write(author, "One, new", age=1, tags=["C", "z"])
    await write(author, "Two", age=20, tags=["b", "a"])
    await write(author, "One, middle", age=4, tags=["b"])
    await write(author, "None", tags=["z"])
    assert titles(await related_to(author, post))[1] == ["Two", "One, new", "One, middle"]


async def test_hidden_posts_are_not_related(author: Context) -> None:
    post = await write(author, "This", age=5, tags=["a"])
    draft = await write(author, "Draft", age=4, tags=["a"], status=PostStatus.DRAFT)
    later = await write(author, "Later", tags=["a"], status=PostStatus.SCHEDULED, publish_at=author.now + dt.timedelta(days=1))
    gone = await write(author, "Gone", age=6, tags=["a"])
    await posts.delete(author, gone.id)
    hidden = await write(author, "Taken back", age=3, tags=["a"])
    await posts.edit(author, hidden.id, PostChanges(status=PostStatus.DRAFT))
    for one in (post, draft, later):
        assert await related_to(author, one) == RelatedPosts()
