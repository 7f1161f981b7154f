"""The end of an account: nothing personal stays, and what others read keeps its place."""

from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import account_deletion, accounts, invitations, password_reset, sessions, tokens
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts, search
from blog.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import AccountChanges, AccountDeletion, Credentials, NewInvitation, NewUser, PostsOnDeletion, Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostStatus
from tests.conftest import PASSWORD, MakeUser


def leaving(username="ada", password=PASSWORD, what=PostsOnDeletion.KEEP):
    return AccountDeletion(username=username, current=SecretStr(password), posts=what)


async def everything(db):
    """Every value in every table, as text."""
    rows = [row for table in tables.metadata.sorted_tables for row in await db.fetch_all(sa.select(table))]
    return " ".join(str(value) for row in rows for value in row)


async def test_row_stays_with_nothing_personal(author: Context) -> None:
    await accounts.change(author, AccountChanges(name="Ada Lovelace", bio="Weaves.", age=36))
    await account_deletion.delete_account(author, leaving("ADA "))
    user = await accounts.get(author, author.actor.id)
    assert (user.username, user.name, user.email, user.age, user.bio, user.avatar) == (
        f"deleted-{user.id}", "Deleted account", None, None, "", None,
    )  # fmt: skip
    assert (user.role, user.can_sign_in, user.is_deleted) == (Role.READER, False, True)
    found = await everything(author.db)
    for personal in ("Lovelace", "ada@example.org", "Weaves", "argon2"):
        assert personal not in found


@pytest.mark.parametrize(
    ("departure", "field"), [(leaving("bob"), "username"), (leaving(""), "username"), (leaving(password="wrong"), "current")]
)
async def test_name_and_password_are_asked_for(author: Context, departure: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await account_deletion.delete_account(author, departure)
    assert refused.value.errors[0].loc == (field,)
    assert not (await accounts.by_username(author, "ada")).is_deleted


async def test_sessions_and_tokens_end_at_once(author: Context, ctx: Context) -> None:
    session = await sessions.start(ctx, author.actor, "a browser")
    token = (await tokens.issue(ctx, author.actor, name="x")).value
    link = await password_reset.create_link(ctx, "ada")
    await account_deletion.delete_account(author, leaving())
    assert await sessions.load(ctx, session) is None
    assert await tokens.authenticate(ctx, token) is None
    for name in ("ada", "ada@example.org", f"deleted-{author.actor.id}"):
        with pytest.raises(NotAuthenticated):
            await sessions.authenticate(ctx, Credentials(username=name, password=PASSWORD))
    with pytest.raises(NotFound):
        await password_reset.use_link(ctx, link, SecretStr("another long one"))
    for refused in (
        password_reset.create_link(ctx, f"deleted-{author.actor.id}"),
        accounts.active(ctx, f"deleted-{author.actor.id}"),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_a_deleted_row_opens_nothing_even_with_keys_left_behind(author: Context, ctx: Context) -> None:
    """Who restores half a backup has such rows."""
    session = await sessions.start(ctx, author.actor, "a browser")
    token = (await tokens.issue(ctx, author.actor, name="x")).value
    await ctx.db.execute(tables.users.update().values(deleted_at=ctx.now))
    assert await sessions.load(ctx, session) is None
    assert await tokens.authenticate(ctx, token) is None
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(ctx, Credentials(username="ada", password=PASSWORD))


async def test_posts_that_stay_have_another_name_and_readers_hear_of_it(author: Context, ctx: Context) -> None:
    kept = await posts.create(author, NewPost(title="Kept", content="needle"))
    draft = await posts.create(author, NewPost(title="Begun", content="x", status=PostStatus.DRAFT))
    await account_deletion.delete_account(author, leaving())
    post = await posts.get(ctx, kept.id)
    assert [(line.username, line.name) for line in post.bylines] == [(f"deleted-{author.actor.id}", "Deleted account")]
    assert [found.post.id for found in (await search.search_posts(ctx, "needle")).items] == [kept.id]
    last = (await events.after(ctx.db, 0))[-1]
    assert (last.event_type, last.post_id) == ("post.updated", kept.id)
    assert {"author:ada", f"author:deleted-{author.actor.id}"} <= set(last.channels)
    rows = await ctx.db.fetch_all(sa.select(tables.posts.c.id).where(tables.posts.c.deleted_at.is_not(None)))
    assert [row["id"] for row in rows] == [draft.id]
    assert await check_site(ctx) == []


async def test_posts_that_go_are_gone_but_for_those_of_others(author: Context, ctx: Context, make_user: MakeUser) -> None:
    alone = await posts.create(author, NewPost(title="Alone", content="needle"))
    shared = await posts.create(author, NewPost(title="Shared", content="needle"))
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=shared.id, user_id=grace.id, position=1))
    await account_deletion.delete_account(author, leaving(what=PostsOnDeletion.DELETE))
    with pytest.raises(NotFound):
        await posts.get(ctx, alone.id)
    assert [line.name for line in (await posts.get(ctx, shared.id)).bylines] == ["Deleted account", "grace"]
    assert [found.post.id for found in (await search.search_posts(ctx, "needle")).items] == [shared.id]
    told = [(event.event_type, event.post_id) for event in await events.after(ctx.db, 2) if event.event_type != "site.changed"]
    assert told == [("post.deleted", alone.id), ("post.updated", shared.id)]


async def test_nobody_brings_back_what_went_with_an_account(author: Context, ctx: Context, make_user: MakeUser) -> None:
    alone = await posts.create(author, NewPost(title="Alone", content="x"))
    shared = await posts.create(author, NewPost(title="Shared", content="x"))
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=shared.id, user_id=grace.id, position=1))
    eve = ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))
    await account_deletion.delete_account(author, leaving(what=PostsOnDeletion.DELETE))
    with pytest.raises(NotFound):
        await posts.get_deleted(eve, alone.id)
    with pytest.raises(NotFound):
        await posts.undelete(eve, alone.id)
    await posts.delete(eve, shared.id)
    assert (await posts.undelete(eve, shared.id)).id == shared.id, "one of its authors is still here"


async def test_comments_stay_under_the_name_of_nobody(author: Context, ctx: Context, make_user: MakeUser) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    bob = ctx.acting_as(accounts.as_actor(await make_user("bob", Role.READER)))
    said = await comments.create(bob, post.id, NewComment(content="Well."))
    await account_deletion.delete_account(bob, leaving("bob"))
    comment = await comments.get(ctx, said.id)
    assert (comment.content, comment.author, comment.author_name) == ("Well.", f"deleted-{bob.actor.id}", "Deleted account")


async def test_the_only_owner_stays(ctx: Context, make_user: MakeUser) -> None:
    ora = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    with pytest.raises(Conflict, match="only owner"):
        await account_deletion.delete_account(ora, leaving("ora"))
    assert (await accounts.by_username(ctx, "ora")).can_sign_in
    await make_user("second", Role.OWNER)
    await account_deletion.delete_account(ora, leaving("ora"))
    assert (await accounts.first_owner(ctx)).username == "second"


async def test_invitations_of_who_left_are_taken_back(ctx: Context, make_user: MakeUser) -> None:
    ora = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    await make_user("second", Role.OWNER)
    await invitations.create(ora, NewInvitation(role=Role.OWNER))
    secret = invitations.link_secret(ora, (await invitations.list_page(ora)).items[0])
    await account_deletion.delete_account(ora, leaving("ora"))
    with pytest.raises(NotFound):
        await invitations.open_link(ctx, secret)


async def test_names_of_the_departed_are_kept_for_them(author: Context, ctx: Context) -> None:
    with pytest.raises(Conflict) as refused:
        await accounts.create(ctx, NewUser(username="Deleted-7", email="x@example.org"), Role.READER)
    assert refused.value.loc == ("username",)
    taken = f"deleted-{author.actor.id}"  # from before the name was kept
    values = {
        "username": taken,
        "username_folded": taken,
        "name": "x",
        "role": "reader",
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    await ctx.db.execute(tables.users.insert().values(values))
    await account_deletion.delete_account(author, leaving())
    assert (await accounts.get(ctx, author.actor.id)).username == f"{taken}-2"


async def test_name_and_address_are_free_again(author: Context, ctx: Context, make_user: MakeUser) -> None:
    await account_deletion.delete_account(author, leaving())
    assert (await make_user("ada")).id != author.actor.id
