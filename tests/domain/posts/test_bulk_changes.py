"""Changes of several posts at once: each post as by a single edit, and repeating one is harmless."""

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import bulk_changes, post_lists, posts
from blog.domain.posts.bulk_changes import Outcome
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.errors import Forbidden, NotAuthenticated, Unavailable
from blog.schemas.accounts import Role
from blog.schemas.fields import MAX_TAGS
from blog.schemas.post_management import BulkAction, BulkChange
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import MakeUser

DONE, UNCHANGED, REFUSED = Outcome.DONE, Outcome.UNCHANGED, Outcome.REFUSED


async def written(ctx: Context, *titles: str, **members: Any) -> list[int]:
    made = [await posts.create(ctx, NewPost.model_validate({"title": title, "content": "x"} | members)) for title in titles]
    return [post.id for post in made]


async def apply(ctx: Context, action: BulkAction, ids: Sequence[int], tag: str | None = None) -> list[Outcome]:
    result = await bulk_changes.apply(ctx, BulkChange(action=action, tag=tag), ids, time_limit=60)
    assert result.remaining == []
    return [item.outcome for item in result.outcomes]


async def read(ctx: Context, ids: Sequence[int]) -> list[Post]:
    return list(await bulk_changes.selected(ctx, ids))


async def event_types(ctx: Context) -> list[str]:
    return [row["type"] for row in await ctx.db.fetch_all(sa.select(tables.events.c.type).order_by(tables.events.c.id))]


async def test_each_action_changes_each_post_once(author: Context) -> None:
    ids = await written(author, "One", "Two", status="draft", tags=["old"])
    for action, tag in [
        (BulkAction.PUBLISH, None), (BulkAction.ADD_TAG, "New"), (BulkAction.REMOVE_TAG, "OLD"), (BulkAction.UNPUBLISH, None),
    ]:  # fmt: skip
        assert await apply(author, action, ids, tag) == [DONE, DONE]
        assert await apply(author, action, ids, tag) == [UNCHANGED, UNCHANGED], "a repeat is harmless"
    found = await read(author, ids)
    assert [(post.status, post.tags, post.version) for post in found] == [(PostStatus.DRAFT, ("New",), 5)] * 2
    assert await event_types(author) == [
        *["post.published"] * 2, *["post.updated"] * 4, *["post.unpublished"] * 2,
    ]  # fmt: skip


async def test_deleted_posts_are_restored(author: Context) -> None:
    ids = await written(author, "One", "Two")
    assert await apply(author, BulkAction.DELETE, ids) == [DONE, DONE]
    assert await apply(author, BulkAction.DELETE, ids) == [UNCHANGED, UNCHANGED]
    assert await apply(author, BulkAction.PUBLISH, ids) == [REFUSED, REFUSED]
    assert await apply(author, BulkAction.RESTORE, ids) == [DONE, DONE]
    assert await apply(author, BulkAction.RESTORE, ids) == [UNCHANGED, UNCHANGED]
    assert len((await post_lists.list_page(author, PostFilter())).items) == 2


async def test_refused_posts_have_a_reason_and_others_are_changed(author: Context) -> None:
    (full,) = await written(author, "Full", tags=[str(number) for number in range(MAX_TAGS)])
    (empty,) = await written(author, "Empty", content="", status="draft")
    (plain,) = await written(author, "Plain", status="draft")
    published = await bulk_changes.apply(author, BulkChange(action=BulkAction.PUBLISH), [empty, plain, 999], time_limit=60)
    assert [(item.title, item.outcome) for item in published.outcomes] == [
        ("Empty", REFUSED), ("Plain", DONE), ("Post 999", REFUSED),
    ]  # fmt: skip
    assert [item.reason for item in published.refused] == [
        "This post is empty. Write something before you publish it, or save it as a draft.", "This post does not exist",
    ]  # fmt: skip
    tagged = await bulk_changes.apply(author, BulkChange(action=BulkAction.ADD_TAG, tag="x"), [full, plain], time_limit=60)
    assert [item.outcome for item in tagged.outcomes] == [REFUSED, DONE]
    assert f"{MAX_TAGS} tags" in tagged.refused[0].reason


async def test_permissions_are_checked_for_each_post(author: Context, ctx: Context, make_user: MakeUser) -> None:
    ids = await written(author, "Mine", status="draft")
    other, editor, reader = [
        ctx.acting_as(accounts.as_actor(await make_user(name, role)))
        for name, role in (("eve", Role.AUTHOR), ("edo", Role.EDITOR), ("rob", Role.READER))
    ]
    result = await bulk_changes.apply(other, BulkChange(action=BulkAction.PUBLISH), ids, time_limit=60)
    assert [(item.title, item.outcome) for item in result.outcomes] == [(f"Post {ids[0]}", REFUSED)], (
        "not even the title is shown"
    )
    assert await read(other, ids) == []
    assert await apply(editor, BulkAction.PUBLISH, ids) == [DONE]
    for actor, error in ((ctx, NotAuthenticated), (reader, Forbidden)):
        with pytest.raises(error):
            await apply(actor, BulkAction.DELETE, ids)


async def test_work_before_a_failure_is_kept_and_a_repeat_does_the_rest(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await written(author, *"abcde", status="draft")
    save, calls = posts.save_changes, list[int]()

    async def fail_at_third(ctx: Context, post_id: int, *arguments: Any, **named: Any) -> Post:
        calls.append(post_id)
        if len(calls) == 3:
            raise Unavailable("The database is gone")
        return await save(ctx, post_id, *arguments, **named)

    monkeypatch.setattr(posts, "save_changes", fail_at_third)
    with pytest.raises(Unavailable):
        await apply(author, BulkAction.PUBLISH, ids)
    assert await apply(author, BulkAction.PUBLISH, ids) == [UNCHANGED, UNCHANGED, DONE, DONE, DONE]
    assert await event_types(author) == ["post.published"] * 5


async def test_time_limit_leaves_the_rest_to_a_repeat(author: Context) -> None:
    ids = await written(author, *"abc", status="draft")
    result = await bulk_changes.apply(author, BulkChange(action=BulkAction.PUBLISH), ids, time_limit=-1)
    assert (result.outcomes, result.remaining) == ([], ids)


async def test_concurrent_edit_is_not_overwritten(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    (post_id,) = await written(author, "One", tags=["a"])
    save, raced = posts.save_changes, list[int]()

    async def race(ctx: Context, post_id: int, *arguments: Any, **named: Any) -> Post:
        if not raced:
            raced.append(post_id)
            await save(ctx, post_id, {"tags": ["b"]})
        return await save(ctx, post_id, *arguments, **named)

    monkeypatch.setattr(posts, "save_changes", race)
    assert await apply(author, BulkAction.ADD_TAG, [post_id], "c") == [DONE]
    assert (await posts.get(author, post_id)).tags == ("b", "c")


async def test_scheduled_posts_are_published_and_unpublished(author: Context) -> None:
    at = (author.now.replace(year=author.now.year + 1)).isoformat()
    first, second = await written(author, "One", "Two", publish_at=at)
    assert await apply(author, BulkAction.PUBLISH, [first]) == await apply(author, BulkAction.UNPUBLISH, [second]) == [DONE]
    assert [post.status for post in await read(author, [first, second])] == [PostStatus.PUBLISHED, PostStatus.DRAFT]
    await posts.edit(author, second, PostChanges(title="Two, again"))


async def test_editors_set_the_author(author: Context, ctx: Context, make_user: MakeUser) -> None:
    ids = await written(author, "One", "Two")
    eve = await make_user("eve", Role.AUTHOR)
    editor = ctx.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))
    for actor, username, expected in [
        (author, "eve", REFUSED), (editor, "nobody", REFUSED), (editor, "EVE", DONE), (editor, "eve", UNCHANGED),
    ]:  # fmt: skip
        change = BulkChange(action=BulkAction.SET_AUTHOR, author=username)
        result = await bulk_changes.apply(actor, change, ids, time_limit=60)
        assert [item.outcome for item in result.outcomes] == [expected] * 2, username
    assert [[each.id for each in post.authors] for post in await read(editor, ids)] == [[eve.id]] * 2
