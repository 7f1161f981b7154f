"""Account deletion: personal data is deleted, and published texts stay under "Deleted account"."""

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.db.database import Database
from blog.domain.accounts import account_deletion, accounts, invitations, password_reset, sessions, tokens
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts, search
from blog.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import AccountChanges, AccountDeletion, Credentials, NewUser, PostsOnDeletion, Role
from blog.schemas.comments import NewComment
from blog.schemas.invitations import NewInvitation
from blog.schemas.posts import NewPost, PostStatus
from tests.conftest import PASSWORD, MakeUser


def deletion(username: str = "ada", password: str = PASSWORD, what: PostsOnDeletion = PostsOnDeletion.KEEP) -> AccountDeletion:
    return AccountDeletion(username=username, current=SecretStr(password), posts=what)


async def everything(db: Database) -> str:
    """Return all values in all tables, as text."""
    rows = [row for table in tables.metadata.sorted_tables for row in await db.fetch_all(sa.select(table))]
    return " ".join(str(value) for row in rows for value in dict(row).values())


async def test_row_stays_without_personal_data(author: Context) -> None:
    await accounts.change(author, AccountChanges(name="Ada Lovelace", bio="Weaves.", age=36))
    stored = await everything(author.db)
    personal = ("Lovelace", "ada@example.org", "Weaves", "argon2")
    assert all(text in stored for text in personal), "there is something to delete"
    await account_deletion.delete_account(author, deletion("ADA "))
    user = await accounts.get(author, author.require_actor().id)
    assert (user.username, user.name, user.email, user.age, user.bio, user.avatar) == (
        f"deleted-{user.id}", "Deleted account", None, None, "", None,
    )  # fmt: skip
    assert (user.role, user.can_sign_in, user.is_deleted) == (Role.READER, False, True)
    stored = await everything(author.db)
    assert [text for text in personal if text in stored] == []


@pytest.mark.parametrize(
    ("departure", "field"), [(deletion("bob"), "username"), (deletion(""), "username"), (deletion(password="wrong"), "current")]
)
async def test_deletion_needs_username_and_password(author: Context, departure: AccountDeletion, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await account_deletion.delete_account(author, departure)
    assert refused.value.errors[0].loc == (field,)
    assert not (await accounts.by_username(author, "ada")).is_deleted


async def test_sessions_and_tokens_are_revoked_at_once(author: Context, ctx: Context) -> None:
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    token = (await tokens.issue(ctx, author.require_actor(), name="x")).value
    link = await password_reset.create_link(ctx, "ada")
    await account_deletion.delete_account(author, deletion())
    assert await sessions.load(ctx, session) is None
    assert await tokens.authenticate(ctx, token) is None
    for name in ("ada", "ada@example.org", f"deleted-{author.require_actor().id}"):
        with pytest.raises(NotAuthenticated):
            await sessions.authenticate(ctx, Credentials(username=name, password=SecretStr(PASSWORD)))
    with pytest.raises(NotFound):
        await password_reset.use_link(ctx, link, SecretStr("another long one"))
    for refused in (
        password_reset.create_link(ctx, f"deleted-{author.require_actor().id}"),
        accounts.active(ctx, f"deleted-{author.require_actor().id}"),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_credentials_of_a_deleted_account_are_invalid(author: Context, ctx: Context) -> None:
    """Such rows exist if only a part of a backup was restored."""
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    token = (await tokens.issue(ctx, author.require_actor(), name="x")).value
    await ctx.db.execute(tables.users.update().values(deleted_at=ctx.now))
    assert await sessions.load(ctx, session) is None
    assert await tokens.authenticate(ctx, token) is None
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr(PASSWORD)))


async def test_kept_posts_are_anonymised_with_an_event(author: Context, ctx: Context) -> None:
    kept = await posts.create(author, NewPost(title="Kept", content="needle"))
    draft = await posts.create(author, NewPost(title="Begun", content="x", status=PostStatus.DRAFT))
    await account_deletion.delete_account(author, deletion())
    post = await posts.get(ctx, kept.id)
    assert [(line.username, line.name) for line in post.authors] == [(f"deleted-{author.require_actor().id}", "Deleted account")]
    assert [found.post.id for found in (await search.search_posts(ctx, "needle")).items] == [kept.id]
    last = (await events.after(ctx.db, 0))[-1]
    assert (last.event_type, last.post_id) == ("post.updated", kept.id)
    assert {"author:ada", f"author:deleted-{author.require_actor().id}"} <= set(last.channels)
    rows = await ctx.db.fetch_all(sa.select(tables.posts.c.id).where(tables.posts.c.deleted_at.is_not(None)))
    assert [row["id"] for row in rows] == [draft.id]
    assert await check_site(ctx) == []


async def test_deletion_removes_own_posts_but_not_shared_ones(author: Context, ctx: Context, make_user: MakeUser) -> None:
    alone = await posts.create(author, NewPost(title="Alone", content="needle"))
    shared = await posts.create(author, NewPost(title="Shared", content="needle"))
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=shared.id, user_id=grace.id, position=1))
    await account_deletion.delete_account(author, deletion(what=PostsOnDeletion.DELETE))
    with pytest.raises(NotFound):
        await posts.get(ctx, alone.id)
    assert [line.name for line in (await posts.get(ctx, shared.id)).authors] == ["Deleted account", "grace"]
    assert [found.post.id for found in (await search.search_posts(ctx, "needle")).items] == [shared.id]
    types = [(event.event_type, event.post_id) for event in await events.after(ctx.db, 2) if event.event_type != "site.changed"]
    assert types == [("post.deleted", alone.id), ("post.updated", shared.id)]


async def test_posts_deleted_with_an_account_cannot_be_restored(author: Context, ctx: Context, make_user: MakeUser) -> None:
    alone = await posts.create(author, NewPost(title="Alone", content="x"))
    shared = await posts.create(author, NewPost(title="Shared", content="x"))
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=shared.id, user_id=grace.id, position=1))
    eve = ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))
    await account_deletion.delete_account(author, deletion(what=PostsOnDeletion.DELETE))
    with pytest.raises(NotFound):
        await posts.get_deleted(eve, alone.id)
    with pytest.raises(NotFound):
        await posts.undelete(eve, alone.id)
    await posts.delete(eve, shared.id)
    assert (await posts.undelete(eve, shared.id)).id == shared.id, "one of its authors is still here"


async def test_comments_stay_anonymised(author: Context, ctx: Context, make_user: MakeUser) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    bob = ctx.acting_as(accounts.as_actor(await make_user("bob", Role.READER)))
    said = await comments.create(bob, post.id, NewComment(content="Well."))
    await account_deletion.delete_account(bob, deletion("bob"))
    comment = await comments.get(ctx, said.id)
    assert (comment.content, comment.author, comment.author_name) == (
        "Well.",
        f"deleted-{bob.require_actor().id}",
        "Deleted account",
    )


async def test_the_only_owner_stays(ctx: Context, make_user: MakeUser) -> None:
    ora = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    with pytest.raises(Conflict, match="only owner"):
        await account_deletion.delete_account(ora, deletion("ora"))
    assert (await accounts.by_username(ctx, "ora")).can_sign_in
    await make_user("second", Role.OWNER)
    await account_deletion.delete_account(ora, deletion("ora"))
    owner = await accounts.first_owner(ctx)
    assert owner
    assert owner.username == "second"


async def test_invitations_of_a_deleted_account_are_revoked(ctx: Context, make_user: MakeUser) -> None:
    ora = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    await make_user("second", Role.OWNER)
    await invitations.create(ora, NewInvitation(role=Role.OWNER))
    secret = invitations.link_secret(ora, (await invitations.list_page(ora)).items[0])
    await account_deletion.delete_account(ora, deletion("ora"))
    with pytest.raises(NotFound):
        await invitations.open_link(ctx, secret)


async def test_usernames_of_deleted_accounts_are_reserved(author: Context, ctx: Context) -> None:
    with pytest.raises(Conflict) as refused:
        await accounts.create(ctx, NewUser(username="Deleted-7", email="x@example.org"), Role.READER)
    assert [error.loc for error in refused.value.errors] == [("username",)]
    taken = f"deleted-{author.require_actor().id}"  # from before the name was kept
    values = {
        "username": taken,
        "username_folded": taken,
        "name": "x",
        "role": "reader",
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    await ctx.db.execute(tables.users.insert().values(values))
    await account_deletion.delete_account(author, deletion())
    assert (await accounts.get(ctx, author.require_actor().id)).username == f"{taken}-2"


async def test_username_and_email_can_be_used_again(author: Context, ctx: Context, make_user: MakeUser) -> None:
    await account_deletion.delete_account(author, deletion())
    assert (await make_user("ada")).id != author.require_actor().id
