"""What stands near a post."""

import datetime as dt
from dataclasses import replace

from blog.domain.core.context import Context
from blog.domain.posts import posts, related_posts
from blog.domain.posts.related_posts import RelatedPosts
from blog.schemas.posts import NewPost, PostChanges, PostStatus


async def write(author, title, *, age=0, **members):
    then = replace(author, now=author.now - dt.timedelta(days=age))
    return await posts.create(then, NewPost(title=title, content="x", **members))


def titles(near):
    return [entry and entry.title for entry in (near.older, near.newer)], [entry.title for entry in near.similar]


async def test_older_and_newer_are_those_next_to_it(author: Context) -> None:
    made = [await write(author, f"Post {age}", age=age) for age in range(5)]
    near = await related_posts.for_post(author.db, made[2])
    assert titles(near) == (["Post 3", "Post 1"], [])
    assert near.older.slug == "post-3"
    assert near.older.published_at == made[3].published_at
    assert titles(await related_posts.for_post(author.db, made[0])) == (["Post 1", None], [])
    assert titles(await related_posts.for_post(author.db, made[4])) == ([None, "Post 3"], [])


async def test_posts_of_one_instant_follow_each_other(author: Context) -> None:
    made = [await write(author, f"Post {number}") for number in range(3)]
    assert titles(await related_posts.for_post(author.db, made[1]))[0] == ["Post 0", "Post 2"]


async def test_related_share_most_tags_then_are_newest(author: Context) -> None:
    post = await write(author, "This", age=9, tags=["a", "b", "c"])
    await write(author, "One, old", age=8, tags=["a"])
    await write(author, "One, new", age=1, tags=["C", "z"])
    await write(author, "Two", age=20, tags=["b", "a"])
    await write(author, "One, middle", age=4, tags=["b"])
    await write(author, "None", tags=["z"])
    assert titles(await related_posts.for_post(author.db, post))[1] == ["Two", "One, new", "One, middle"]


async def test_hidden_posts_are_nobodys_neighbours(author: Context) -> None:
    post = await write(author, "This", age=5, tags=["a"])
    draft = await write(author, "Draft", age=4, tags=["a"], status=PostStatus.DRAFT)
    later = await write(author, "Later", tags=["a"], status=PostStatus.SCHEDULED, publish_at=author.now + dt.timedelta(days=1))
    gone = await write(author, "Gone", age=6, tags=["a"])
    await posts.delete(author, gone.id)
    hidden = await write(author, "Taken back", age=3, tags=["a"])
    await posts.edit(author, hidden.id, PostChanges(status=PostStatus.DRAFT))
    for one in (post, draft, later):
        assert await related_posts.for_post(author.db, one) == RelatedPosts()
