"""Who is told of a comment, once, and what they are shown of it later."""

import pytest

from blog.domain.accounts import accounts
from blog.domain.comments import comments, notifications
from blog.domain.comments.notifications import Tally
from blog.domain.posts import posts
from blog.errors import NotSignedIn
from blog.schemas.accounts import NewUser, Role
from blog.schemas.comments import CommentChanges, Decision, NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus


@pytest.fixture
async def post(author):
    return await posts.create(author, NewPost(title="On engines", content="text"))


@pytest.fixture
async def rob(ctx, make_user):
    return ctx.acting_as(accounts.actor_of(await make_user("rob", Role.READER)))


@pytest.fixture
async def edo(ctx, make_user):
    return ctx.acting_as(accounts.actor_of(await make_user("edo", Role.EDITOR)))


async def heard(ctx):
    return [
        (notice.name.value, notice.comment.content if notice.comment else None)
        for notice in (await notifications.page(ctx)).items
    ]


async def held(edo, post, parent):
    """An answer by somebody new that waits."""
    new = NewUser(username="zed", email="zed@example.org")
    zed = edo.acting_as(accounts.actor_of(await accounts.create(edo, new, Role.READER)))
    return await comments.create(zed, post.id, NewComment(content="Hm.", parent_id=parent.id), doubt="It looks odd")


async def test_authors_hear_of_comments_and_writers_of_answers_never_of_their_own(author, rob, post):
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    answer = await comments.create(author, post.id, NewComment(content="Because.", parent_id=first.id))
    await comments.create(rob, post.id, NewComment(content="I see.", parent_id=answer.id))
    assert await heard(author) == [("answer", "I see."), ("comment", "Why?")], "each comment once, also when it is an answer"
    assert await heard(rob) == [("answer", "Because.")]


async def test_waiting_comment_is_told_to_authors_and_to_others_when_it_passes(author, rob, edo, post):
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    await comments.edit(author, (await held(edo, post, first)).id, CommentChanges(status=Decision.VISIBLE))
    assert (await heard(rob)) == [("answer", "Hm.")]
    assert (await heard(author))[0] == ("waiting", "Hm."), "told once"


async def test_nobody_else_hears_of_what_waits(author, rob, edo, post):
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    await held(edo, post, first)
    assert await heard(rob) == []
    assert await heard(edo) == []
    assert await heard(author) == [("waiting", "Hm."), ("comment", "Why?")]


async def test_what_was_hidden_since_is_shown_no_more(author, rob, post):
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    answer = await comments.create(author, post.id, NewComment(content="Because.", parent_id=first.id))
    await comments.remove(author, answer.id)
    assert await heard(rob) == [("answer", None)]
    await comments.edit(author, answer.id, CommentChanges(status=Decision.VISIBLE))
    assert await heard(rob) == [("answer", "Because.")]
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    assert await heard(rob) == [("answer", None)]
    assert await heard(author) == [("comment", "Why?")]


async def test_notices_are_paged_counted_and_read(ctx, author, rob, post):
    for number in range(4):
        await comments.create(rob, post.id, NewComment(content=f"Comment {number}"))
    assert await notifications.tally(author) == Tally(unread=4, waiting=0)
    first = await notifications.page(author, limit=3)
    rest = await notifications.page(author, limit=3, after=first.next)
    assert [notice.comment.content for notice in (*first.items, *rest.items)] == [f"Comment {number}" for number in (3, 2, 1, 0)]
    assert rest.next is None
    await notifications.mark_read(author, first.items)
    assert await notifications.tally(author) == Tally(unread=1, waiting=0)
    assert [notice.is_read for notice in (await notifications.page(author)).items] == [True, True, True, False]
    await notifications.mark_read(author)
    assert await notifications.tally(author) == Tally()
    with pytest.raises(NotSignedIn):
        await notifications.page(ctx)


async def test_nobody_marks_the_notices_of_others(author, rob, post):
    await comments.create(rob, post.id, NewComment(content="Why?"))
    await notifications.mark_read(rob, (await notifications.page(author)).items)
    await notifications.mark_read(rob)
    assert (await notifications.tally(author)).unread == 1


async def test_tally_counts_what_each_decides_about_in_one_query(ctx, author, rob, edo, make_user, post):
    first = await comments.create(rob, post.id, NewComment(content="Why?"))
    await held(edo, post, first)
    eve = ctx.acting_as(accounts.actor_of(await make_user("eve")))
    seen: list[str] = []
    ctx.db.on_query.append(seen.append)
    assert [(await notifications.tally(one)).waiting for one in (author, edo, eve, rob, ctx)] == [1, 1, 0, 0, 0]
    assert len(seen) == 4, "none for a stranger"
