"""Suspended accounts: what ends, what stays, and what comes back."""

import datetime as dt
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from blog.domain.accounts import accounts, administration, invitations, password_reset, sessions, suspension, tokens, two_factor
from blog.domain.comments import comments, moderation_queue
from blog.domain.core.context import Context
from blog.domain.posts import posts, preview_links
from blog.errors import AccountSuspended, Conflict, Forbidden, InvalidLink, NotAuthenticated, NotFound
from blog.schemas.accounts import Credentials, Role
from blog.schemas.comments import BulkDecision, CommentStatus, Decision, NewComment
from blog.schemas.invitations import NewInvitation
from blog.schemas.members import CommentsOnSuspension
from blog.schemas.posts import NewPost, PostStatus
from blog.schemas.preview_links import Lifetime, NewPreviewLink
from tests.conftest import PASSWORD, MakeUser

KEEP, HOLD = CommentsOnSuspension


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))


def credentials(name: str, password: str = PASSWORD) -> Credentials:
    return Credentials(username=name, password=SecretStr(password))


async def statuses(ctx: Context, ids: Sequence[int], owner: Context) -> list[CommentStatus]:
    return [(await comments.get(owner, comment_id)).status for comment_id in ids]


async def test_suspension_ends_sessions_tokens_and_links(ctx: Context, author: Context) -> None:
    actor = author.require_actor()
    session, token = await sessions.start(ctx, actor, "a browser"), await tokens.issue(ctx, actor, name="test")
    draft = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    await preview_links.create(author, draft.id, NewPreviewLink(lifetime=Lifetime.DAY))
    secret = (await preview_links.list_valid(author, draft.id))[0].secret
    pending = await two_factor.issue_pending_sign_in(ctx, actor.id)
    reset = await password_reset.create_link(ctx, "ada")
    await suspension.suspend(ctx, "ADA", KEEP)
    assert await sessions.load(ctx, session) is None
    assert await tokens.authenticate(ctx, token.value) is None
    with pytest.raises(InvalidLink):
        await preview_links.open_link(ctx, secret)
    with pytest.raises(NotAuthenticated):
        await two_factor.verify_pending_sign_in(ctx, pending)
    with pytest.raises(AccountSuspended):
        await password_reset.use_link(ctx, reset, SecretStr("another long one"))
    await suspension.lift(ctx, "ada")
    assert await sessions.load(ctx, session) is None, "ended for good"
    assert await tokens.authenticate(ctx, token.value) is None
    assert (await sessions.authenticate(ctx, credentials("ada"))).username == "ada"


async def test_credentials_made_during_a_suspension_do_not_work(ctx: Context, author: Context) -> None:
    await suspension.suspend(ctx, "ada", KEEP)
    session = await sessions.start(ctx, author.require_actor(), "a browser")  # as a concurrent sign-in could
    token = await tokens.issue(ctx, author.require_actor(), name="test")
    assert await sessions.load(ctx, session) is None
    assert await tokens.authenticate(ctx, token.value) is None


async def test_sign_in_reveals_the_suspension_only_with_the_right_password(ctx: Context, author: Context) -> None:
    await suspension.suspend(ctx, "ada", KEEP)
    with pytest.raises(AccountSuspended, match="This account is suspended"):
        await sessions.authenticate(ctx, credentials("ada@example.org"))
    with pytest.raises(NotAuthenticated, match="Wrong username or password"):
        await sessions.authenticate(ctx, credentials("ada", "a wrong one"))


async def test_published_posts_stay_and_scheduled_posts_become_drafts(ctx: Context, author: Context, owner: Context) -> None:
    later = author.now + dt.timedelta(days=1)
    published = await posts.create(author, NewPost(title="A", content="x"))
    scheduled = await posts.create(author, NewPost(title="B", content="x", publish_at=later))
    await suspension.suspend(ctx, "ada", KEEP)
    assert (await posts.get(ctx, published.id)).status is PostStatus.PUBLISHED
    draft = await posts.get(owner, scheduled.id)
    assert (draft.status, draft.publish_at, draft.version) == (PostStatus.DRAFT, None, 2)


@pytest.mark.parametrize("choice", list(CommentsOnSuspension))
async def test_comments_stay_or_are_held_until_the_suspension_is_lifted(
    ctx: Context, author: Context, owner: Context, make_user: MakeUser, choice: CommentsOnSuspension
) -> None:
    rob = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    post = await posts.create(author, NewPost(title="A", content="x"))
    ids = [(await comments.create(rob, post.id, NewComment(content=text))).id for text in ("One.", "Two.")]
    odd = (await comments.create(rob, post.id, NewComment(content="Odd."), spam_reason="It looks odd")).id
    await suspension.suspend(ctx, "rob", choice)
    visible, pending, removed = CommentStatus.VISIBLE, CommentStatus.PENDING, CommentStatus.REMOVED
    assert await statuses(ctx, [*ids, odd], owner) == [*([visible if choice is KEEP else pending] * 2), pending]
    assert (await posts.get(ctx, post.id)).comment_count == (2 if choice is KEEP else 0)
    await moderation_queue.moderate(owner, BulkDecision(status=Decision.REMOVED, ids=ids[:1]))
    await suspension.lift(ctx, "rob")
    assert await statuses(ctx, [*ids, odd], owner) == [removed, visible, pending]


async def test_only_owners_suspend_and_never_themselves(ctx: Context, author: Context, owner: Context) -> None:
    ada, ora = author.require_actor(), owner.require_actor()
    for action in (administration.suspend(author, ora.id, KEEP), administration.lift_suspension(author, ora.id)):
        with pytest.raises(Forbidden):
            await action
    with pytest.raises(Conflict, match="your own account"):
        await administration.suspend(owner, ora.id, KEEP)
    with pytest.raises(NotFound):
        await administration.suspend(owner, 999, KEEP)
    assert (await administration.suspend(owner, ada.id, KEEP)).suspended_at == owner.now
    assert (await administration.lift_suspension(owner, ada.id)).suspended_at is None


async def test_the_last_active_owner_is_never_suspended_or_demoted(ctx: Context, owner: Context, make_user: MakeUser) -> None:
    await make_user("olo", Role.OWNER)
    await suspension.suspend(ctx, "olo", KEEP)
    with pytest.raises(Conflict, match="only owner"):
        await suspension.suspend(ctx, "ora", KEEP)
    with pytest.raises(Conflict, match="only owner"):
        await accounts.set_role(ctx, "ora", Role.EDITOR)
    assert (await accounts.set_role(ctx, "olo", Role.EDITOR)).role is Role.EDITOR, "a suspended owner is not the last one"


async def test_invitations_of_a_suspended_owner_do_not_work(ctx: Context, owner: Context, make_user: MakeUser) -> None:
    invitation_id = (await invitations.create(owner, NewInvitation(role=Role.AUTHOR))).id
    page = await invitations.list_page(owner)
    secret = invitations.link_secret(owner, next(item for item in page.items if item.id == invitation_id))
    await make_user("olo", Role.OWNER)
    assert await invitations.open_link(ctx, secret)
    await suspension.suspend(ctx, "ora", KEEP)
    with pytest.raises(InvalidLink):
        await invitations.open_link(ctx, secret)
