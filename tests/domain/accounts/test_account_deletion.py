"""The end of an account: nothing personal stays, and what others read keeps its place."""

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import account_deletion, accounts, invitations, sessions, tokens
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.posts import posts, search
from blog.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import AccountChanges, Credentials, Departure, NewInvitation, NewUser, PostsLeft, Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostStatus
from tests.conftest import PASSWORD


def leaving(username="ada", password=PASSWORD, what=PostsLeft.STAY):
    return Departure(username=username, current=SecretStr(password), posts=what)


async def everything(db):
    """Every value in every table, as text."""
    rows = [row for table in tables.metadata.sorted_tables for row in await db.fetch_all(sa.select(table))]
    return " ".join(str(value) for row in rows for value in row)


async def test_row_stays_with_nothing_personal(author):
    await accounts.change(author, AccountChanges(name="Ada Lovelace", bio="Weaves.", age=36))
    await account_deletion.leave(author, leaving("ADA "))
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
async def test_name_and_password_are_asked_for(author, departure, field):
    with pytest.raises(InvalidInput) as refused:
        await account_deletion.leave(author, departure)
    assert refused.value.errors[0].loc == (field,)
    assert not (await accounts.named(author, "ada")).is_deleted


async def test_sessions_and_tokens_end_at_once(author, ctx):
    session = await sessions.start(ctx, author.actor, "a browser")
    token = (await tokens.issue(ctx, author.actor, name="x")).text
    link = await accounts.password_link(ctx, "ada")
    await account_deletion.leave(author, leaving())
    assert await sessions.resume(ctx, session) is None
    assert await tokens.recognise(ctx, token) is None
    for name in ("ada", "ada@example.org", f"deleted-{author.actor.id}"):
        with pytest.raises(NotSignedIn):
            await sessions.authenticate(ctx, Credentials(username=name, password=PASSWORD))
    with pytest.raises(NotFound):
        await accounts.use_password_link(ctx, link, SecretStr("another long one"))
    for refused in (
        accounts.password_link(ctx, f"deleted-{author.actor.id}"),
        accounts.living(ctx, f"deleted-{author.actor.id}"),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_a_deleted_row_opens_nothing_even_with_keys_left_behind(author, ctx):
    """Who restores half a backup has such rows."""
    session = await sessions.start(ctx, author.actor, "a browser")
    token = (await tokens.issue(ctx, author.actor, name="x")).text
    await ctx.db.execute(tables.users.update().values(deleted_at=ctx.now))
    assert await sessions.resume(ctx, session) is None
    assert await tokens.recognise(ctx, token) is None
    with pytest.raises(NotSignedIn):
        await sessions.authenticate(ctx, Credentials(username="ada", password=PASSWORD))


async def test_posts_that_stay_have_another_name_and_readers_hear_of_it(author, ctx):
    kept = await posts.create(author, NewPost(title="Kept", content="needle"))
    draft = await posts.create(author, NewPost(title="Begun", content="x", status=PostStatus.DRAFT))
    await account_deletion.leave(author, leaving())
    post = await posts.get(ctx, kept.id)
    assert [(line.username, line.name) for line in post.bylines] == [(f"deleted-{author.actor.id}", "Deleted account")]
    assert [found.post.id for found in (await search.find(ctx, "needle")).items] == [kept.id]
    last = (await events.after(ctx.db, 0))[-1]
    assert (last.name, last.post_id) == ("post.updated", kept.id)
    assert {"author:ada", f"author:deleted-{author.actor.id}"} <= set(last.channels)
    rows = await ctx.db.fetch_all(sa.select(tables.posts.c.id).where(tables.posts.c.deleted_at.is_not(None)))
    assert [row["id"] for row in rows] == [draft.id]
    assert await check_site(ctx) == []


async def test_posts_that_go_are_gone_but_for_those_of_others(author, ctx, make_user):
    alone = await posts.create(author, NewPost(title="Alone", content="needle"))
    shared = await posts.create(author, NewPost(title="Shared", content="needle"))
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=shared.id, user_id=grace.id, position=1))
    await account_deletion.leave(author, leaving(what=PostsLeft.GO))
    with pytest.raises(NotFound):
        await posts.get(ctx, alone.id)
    assert [line.name for line in (await posts.get(ctx, shared.id)).bylines] == ["Deleted account", "grace"]
    assert [found.post.id for found in (await search.find(ctx, "needle")).items] == [shared.id]
    told = [(event.name, event.post_id) for event in await events.after(ctx.db, 2) if event.name != "site.changed"]
    assert told == [("post.deleted", alone.id), ("post.updated", shared.id)]


async def test_nobody_brings_back_what_went_with_an_account(author, ctx, make_user):
    alone = await posts.create(author, NewPost(title="Alone", content="x"))
    shared = await posts.create(author, NewPost(title="Shared", content="x"))
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=shared.id, user_id=grace.id, position=1))
    eve = ctx.acting_as(accounts.actor_of(await make_user("eve", Role.EDITOR)))
    await account_deletion.leave(author, leaving(what=PostsLeft.GO))
    with pytest.raises(NotFound):
        await posts.deleted(eve, alone.id)
    with pytest.raises(NotFound):
        await posts.undelete(eve, alone.id)
    await posts.delete(eve, shared.id)
    assert (await posts.undelete(eve, shared.id)).id == shared.id, "one of its authors is still here"


async def test_comments_stay_under_the_name_of_nobody(author, ctx, make_user):
    post = await posts.create(author, NewPost(title="A", content="x"))
    bob = ctx.acting_as(accounts.actor_of(await make_user("bob", Role.READER)))
    said = await comments.create(bob, post.id, NewComment(content="Well."))
    await account_deletion.leave(bob, leaving("bob"))
    comment = await comments.get(ctx, said.id)
    assert (comment.content, comment.author, comment.author_name) == ("Well.", f"deleted-{bob.actor.id}", "Deleted account")


async def test_the_only_owner_stays(ctx, make_user):
    ora = ctx.acting_as(accounts.actor_of(await make_user("ora", Role.OWNER)))
    with pytest.raises(Conflict, match="only owner"):
        await account_deletion.leave(ora, leaving("ora"))
    assert (await accounts.named(ctx, "ora")).can_sign_in
    await make_user("second", Role.OWNER)
    await account_deletion.leave(ora, leaving("ora"))
    assert (await accounts.first_owner(ctx)).username == "second"


async def test_invitations_of_who_left_are_taken_back(ctx, make_user):
    ora = ctx.acting_as(accounts.actor_of(await make_user("ora", Role.OWNER)))
    await make_user("second", Role.OWNER)
    await invitations.create(ora, NewInvitation(role=Role.OWNER))
    secret = invitations.secret(ora, (await invitations.page(ora)).items[0])
    await account_deletion.leave(ora, leaving("ora"))
    with pytest.raises(NotFound):
        await invitations.read(ctx, secret)


async def test_names_of_the_departed_are_kept_for_them(author, ctx):
    with pytest.raises(Conflict) as refused:
        await accounts.create(ctx, NewUser(username="Deleted-7", email="x@example.org"), Role.READER)
    assert refused.value.loc == ("username",)
    taken = f"deleted-{author.actor.id}"  # from before the name was kept
    values = {
        "username": taken,
        "username_key": taken,
        "name": "x",
        "role": "reader",
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    await ctx.db.execute(tables.users.insert().values(values))
    await account_deletion.leave(author, leaving())
    assert (await accounts.get(ctx, author.actor.id)).username == f"{taken}-2"


async def test_name_and_address_are_free_again(author, ctx, make_user):
    await account_deletion.leave(author, leaving())
    assert (await make_user("ada")).id != author.actor.id
