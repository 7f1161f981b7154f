"""Rights that end later: a new password, another role, an unpublished or deleted post, a deleted account."""

from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import account_deletion, accounts, password_reset, passwords, sessions, tokens, two_factor
from blog.domain.comments import comments
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import autosaves, posts, preview_links
from blog.errors import Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import AccountDeletion, PostsOnDeletion, Role, Scope
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.schemas.preview_links import Lifetime, NewPreviewLink
from tests.conftest import PASSWORD, MakeUser
from tests.support.posts import author_names

NEW_PASSWORD = SecretStr("another long one")


async def by_link(ctx: Context, username: str) -> None:
    await password_reset.use_link(ctx, await password_reset.create_link(ctx, username), NEW_PASSWORD)


async def by_command(ctx: Context, username: str) -> None:
    await passwords.set_password(ctx, (await accounts.by_username(ctx, username)).id, NEW_PASSWORD)


@pytest.mark.parametrize("set_password", [by_link, by_command])
async def test_new_password_ends_all_sessions_and_tokens(
    ctx: Context, author: Context, set_password: Callable[[Context, str], Awaitable[None]]
) -> None:
    actor = author.require_actor()
    opened = [await sessions.start(ctx, actor, "a browser") for _ in range(2)]
    token = await tokens.issue(ctx, actor, name="test")
    assert await sessions.load(ctx, opened[0])
    await set_password(ctx, "ada")
    assert [await sessions.load(ctx, session) for session in opened] == [None, None]
    assert await tokens.authenticate(ctx, token.value) is None


async def test_token_of_an_owner_needs_the_admin_scope(ctx: Context, make_user: MakeUser) -> None:
    owner = accounts.as_actor(await make_user("ora", Role.OWNER))
    issued = await tokens.issue(ctx, owner, name="test", scopes=set(Scope) - {Scope.ADMIN})
    narrow = ctx.acting_as(await tokens.authenticate(ctx, issued.value))
    with pytest.raises(Forbidden, match="admin"):
        policy.require_owner(narrow)
    assert policy.require_owner(ctx.acting_as(owner)) == owner


async def test_demoted_author_cannot_edit_own_posts(ctx: Context, author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    reader = ctx.acting_as(accounts.as_actor(await accounts.set_role(ctx, "ada", Role.READER)))
    for attempt in (posts.edit(reader, post.id, PostChanges(title="B")), posts.delete(reader, post.id)):
        with pytest.raises(Forbidden):
            await attempt
    assert (await posts.get(ctx, post.id)).title == "A"


async def test_every_author_of_a_post_may_edit_it(ctx: Context, author: Context, make_user: MakeUser) -> None:
    bob = await make_user("bob")
    post = await posts.create(author, NewPost(title="A", content="x"))
    await posts.edit(author, post.id, PostChanges(authors=["ada", "bob"]))
    as_bob = ctx.acting_as(accounts.as_actor(bob))
    assert author_names(await posts.edit(as_bob, post.id, PostChanges(title="B"))) == ["ada", "bob"]
    assert (await posts.edit(author, post.id, PostChanges(title="C"))).title == "C"


async def test_comment_on_an_unpublished_post_is_hidden(ctx: Context, author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    comment = await comments.create(author, post.id, NewComment(content="Yes."))
    assert (await comments.get(ctx, comment.id)).id == comment.id
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    with pytest.raises(NotFound):
        await comments.get(ctx, comment.id)


async def test_comment_on_a_deleted_post_is_not_listed(ctx: Context, author: Context) -> None:
    kept, deleted = [await posts.create(author, NewPost(title="A", content="x")) for _ in range(2)]
    left, _ = [await comments.create(author, post.id, NewComment(content="Yes.")) for post in (kept, deleted)]
    await posts.delete(author, deleted.id)
    page = await comments.by_user(ctx, author.require_actor().id, limit=10)
    assert [comment.id for comment in page.items] == [left.id]


async def test_reply_to_a_comment_on_another_post_is_refused(author: Context) -> None:
    first, second = [await posts.create(author, NewPost(title="A", content="x")) for _ in range(2)]
    comment = await comments.create(author, first.id, NewComment(content="Yes."))
    with pytest.raises(InvalidInput) as refused:
        await comments.create(author, second.id, NewComment(content="No.", parent_id=comment.id))
    assert refused.value.errors[0].loc == ("parent_id",)


async def test_deleted_account_leaves_no_draft_no_link_and_no_secret(author: Context, make_user: MakeUser) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    editor = author.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))
    user_id = editor.require_actor().id
    await autosaves.save(editor, {"title": "Unsaved", "content": "y"}, post)
    await preview_links.create(editor, post.id, NewPreviewLink(lifetime=Lifetime.DAY))
    await two_factor.start_setup(editor)
    references = (tables.autosaves.c.user_id, tables.preview_links.c.user_id, tables.two_factor.c.user_id)
    counts = [sa.select(sa.func.count()).select_from(column.table).where(column == user_id) for column in references]
    assert [await author.db.fetch_val(count) for count in counts] == [1, 1, 1]
    deletion = AccountDeletion(username="edo", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    await account_deletion.delete_account(editor, deletion)
    assert [await author.db.fetch_val(count) for count in counts] == [0, 0, 0]


async def test_session_of_a_demoted_editor_has_the_new_role(ctx: Context, make_user: MakeUser) -> None:
    session = await sessions.start(ctx, accounts.as_actor(await make_user("edo", Role.EDITOR)), "a browser")
    await accounts.set_role(ctx, "edo", Role.READER)
    loaded = await sessions.load(ctx, session)
    assert loaded is not None
    assert loaded.actor.role is Role.READER
