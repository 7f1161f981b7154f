"""Notifications: their recipients, and the content that is shown later."""

import pytest

from blog.domain.accounts import accounts
from blog.domain.comments import comments, notifications
from blog.domain.comments.models import Comment
from blog.domain.comments.notifications import UnreadCounts
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.errors import NotAuthenticated
from blog.schemas.accounts import NewUser, Role
from blog.schemas.comments import CommentChanges, Decision, NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import MakeUser
from tests.support.optional import unwrap


@pytest.fixture
async def post(author: Context) -> Post:
    return await posts.create(author, NewPost(title="On engines", content="text"))


@pytest.fixture
async def rob(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))


@pytest.fixture
async def edo(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))


async def received(ctx: Context) -> list[tuple[str, str | None]]:
    return [
        (item.notification_type.value, item.comment.content if item.comment else None)
        for item in (await notifications.list_page(ctx)).items
    ]


async def held(edo: Context, post: Post, parent: Comment) -> Comment:
    """Create a pending reply by a new user."""
    new = NewUser(username="zed", email="zed@example.org")
    zed = edo.acting_as(accounts.as_actor(await accounts.create(edo, new, Role.READER)))
    return await comments.create(zed, post.id, NewComment(content="Hm.", parent_id=parent.id), spam_reason="It looks odd")


async def test_comments_notify_authors_and_replies_notify_commenters_but_never_oneself(
    author: Context, rob: Context, post: Post
) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    answer = await comments.create(author, post.id, NewComment(content="Because.", parent_id=first.id))
    await comments.create(rob, post.id, NewComment(content="I see.", parent_id=answer.id))
    assert await received(author) == [("reply", "I see."), ("comment", "Why?")], "each comment once, also when it is an answer"
    assert await received(rob) == [("reply", "Because.")]


async def test_held_comment_notifies_authors_at_once_and_others_after_approval(
    author: Context, rob: Context, edo: Context, post: Post
) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    await comments.edit(author, (await held(edo, post, first)).id, CommentChanges(status=Decision.VISIBLE))
    assert (await received(rob)) == [("reply", "Hm.")]
    assert (await received(author))[0] == ("pending", "Hm."), "notified once"


async def test_held_comment_notifies_nobody_else(author: Context, rob: Context, edo: Context, post: Post) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    await held(edo, post, first)
    assert await received(rob) == []
    assert await received(edo) == []
    assert await received(author) == [("pending", "Hm."), ("comment", "Why?")]


async def test_notifications_of_hidden_comments_have_no_text(author: Context, rob: Context, post: Post) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    answer = await comments.create(author, post.id, NewComment(content="Because.", parent_id=first.id))
    await comments.remove(author, answer.id)
    assert await received(rob) == [("reply", None)]
    await comments.edit(author, answer.id, CommentChanges(status=Decision.VISIBLE))
    assert await received(rob) == [("reply", "Because.")]
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    assert await received(rob) == [("reply", None)]
    assert await received(author) == [("comment", "Why?")]


async def test_notifications_are_paged_counted_and_marked_as_read(
    ctx: Context, author: Context, rob: Context, post: Post
) -> None:
    for number in range(4):
        await comments.create(rob, post.id, NewComment(content=f"Comment {number}"))
    assert await notifications.unread_counts(author) == UnreadCounts(unread_notifications=4, pending_comments=0)
    first = await notifications.list_page(author, limit=3)
    rest = await notifications.list_page(author, limit=3, after=first.next)
    assert [unwrap(notice.comment).content for notice in (*first.items, *rest.items)] == [
        f"Comment {number}" for number in (3, 2, 1, 0)
    ]
    assert rest.next is None
    await notifications.mark_read(author, first.items)
    assert await notifications.unread_counts(author) == UnreadCounts(unread_notifications=1, pending_comments=0)
    assert [item.is_read for item in (await notifications.list_page(author)).items] == [True, True, True, False]
    await notifications.mark_read(author)
    assert await notifications.unread_counts(author) == UnreadCounts()
    with pytest.raises(NotAuthenticated):
        await notifications.list_page(ctx)


async def test_notifications_of_others_cannot_be_marked(author: Context, rob: Context, post: Post) -> None:
    await comments.create(rob, post.id, NewComment(content="Why?"))
    await notifications.mark_read(rob, (await notifications.list_page(author)).items)
    await notifications.mark_read(rob)
    assert (await notifications.unread_counts(author)).unread_notifications == 1


async def test_unread_counts_need_one_query(
    ctx: Context, author: Context, rob: Context, edo: Context, make_user: MakeUser, post: Post
) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    await held(edo, post, first)
    eve = ctx.acting_as(accounts.as_actor(await make_user("eve")))
    seen: list[str] = []
    ctx.db.on_query.append(seen.append)
    assert [(await notifications.unread_counts(one)).pending_comments for one in (author, edo, eve, rob, ctx)] == [1, 1, 0, 0, 0]
    assert len(seen) == 4, "none for a stranger"
