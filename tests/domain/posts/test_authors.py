"""The authors of a post: permissions to name them, and effects of adding, removing, deleting or demoting an author."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import SecretStr, ValidationError

from blog.db import tables
from blog.domain.accounts import account_deletion, accounts
from blog.domain.comments import notifications
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.posts import authors, history, posts, revisions
from blog.domain.posts.models import Post
from blog.domain.read_models import dashboard
from blog.errors import Conflict, Forbidden, InvalidInput
from blog.schemas.accounts import AccountDeletion, PostsOnDeletion, Role
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import PASSWORD, Bearer, MakeUser
from tests.support.posts import author_names

As = Callable[..., Awaitable[Context]]


@pytest.fixture
def acting(ctx: Context, make_user: MakeUser) -> As:
    """Create an account and return its context: `await acting("bob", Role.EDITOR)`."""

    async def act(username: str, role: Role = Role.AUTHOR) -> Context:
        return ctx.acting_as(accounts.as_actor(await make_user(username, role)))

    return act


async def test_authors_are_kept_in_order(author: Context, acting: As) -> None:
    await acting("bob")
    await acting("Eve", Role.OWNER)
    post = await posts.create(author, NewPost(title="A", content="x", authors=["eve", "ADA", "bob"]))
    assert (author_names(post), post.author) == (["Eve", "ada", "bob"], "Eve")
    post = await posts.edit(author, post.id, PostChanges(authors=["ada", "Eve"]))
    assert (author_names(await posts.get(author, post.id)), post.version) == (["ada", "Eve"], 2)
    assert (await posts.edit(author, post.id, PostChanges(authors=["ada", "Eve"]))).version == 2, "nothing changed"
    assert author_names(await posts.replace(author, post.id, NewPost(title="B", content="x"))) == ["ada", "Eve"], "PUT keeps them"


async def test_an_author_names_others_but_not_only_others(author: Context, acting: As) -> None:
    bob = await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x"))
    with pytest.raises(Forbidden):
        await posts.edit(bob, post.id, PostChanges(authors=["ada", "bob"]))
    for attempt in (
        posts.edit(author, post.id, PostChanges(authors=["bob"])),
        posts.replace(author, post.id, NewPost(title="A", content="x", authors=["bob"])),
        posts.create(author, NewPost(title="B", content="x", authors=["bob"])),
    ):
        with pytest.raises(InvalidInput, match="Keep your own username, ada, in the list of authors"):
            await attempt
    assert author_names(await posts.get(author, post.id)) == ["ada"]


async def test_editors_name_any_authors(author: Context, acting: As) -> None:
    eve = await acting("eve", Role.EDITOR)
    await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x"))
    assert author_names(await posts.edit(eve, post.id, PostChanges(authors=["bob"]))) == ["bob"]
    assert author_names(await posts.create(eve, NewPost(title="B", content="x", authors=["ada", "bob"]))) == ["ada", "bob"]
    with pytest.raises(Forbidden):
        await posts.edit(author, post.id, PostChanges(title="mine"))


async def test_readers_and_unknown_users_are_refused_by_name(author: Context, acting: As) -> None:
    await acting("rita", Role.READER)
    post = await posts.create(author, NewPost(title="A", content="x"))
    with pytest.raises(InvalidInput, match="Not an author on this blog: rita, nobody") as raised:
        await posts.edit(author, post.id, PostChanges(authors=["ada", "rita", "nobody"]))
    assert raised.value.errors[0].loc == ("authors",)
    assert (await posts.get(author, post.id)).version == 1


@pytest.mark.parametrize("names", [[], ["ada", "Ada"], [f"name-{number}" for number in range(21)], [""], ["a" * 51]])
def test_invalid_lists(names: list[str]) -> None:
    with pytest.raises(ValidationError):
        PostChanges(authors=names)


async def test_an_author_with_a_lower_role_may_stay(author: Context, acting: As) -> None:
    await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x", authors=["ada", "bob"]))
    await accounts.set_role(author, "bob", Role.READER)
    assert author_names(await posts.edit(author, post.id, PostChanges(authors=["bob", "ada"]))) == ["bob", "ada"]
    await posts.edit(author, post.id, PostChanges(authors=["ada"]))
    with pytest.raises(InvalidInput, match="bob"):
        await posts.edit(author, post.id, PostChanges(authors=["ada", "bob"]))


async def test_every_author_has_the_rights_of_an_author(author: Context, acting: As) -> None:
    bob = await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT, authors=["ada", "bob"]))
    assert policy.can_edit(bob.actor, post)
    assert policy.can_moderate(bob.actor, post)
    assert not policy.counts_as_view(bob.actor, post)
    assert [own.id for _, page in (await dashboard.read(bob)).pages for own in page.items] == [post.id]
    await posts.delete(bob, post.id)
    assert [deleted.id for deleted in (await dashboard.read(author)).deleted] == [post.id]
    assert (await posts.undelete(bob, post.id)).id == post.id


async def test_added_and_removed_authors_receive_the_event(author: Context, acting: As) -> None:
    await acting("bob")
    await acting("cyd")
    post = await posts.create(author, NewPost(title="A", content="x", authors=["ada", "bob"]))
    await posts.edit(author, post.id, PostChanges(authors=["ada", "cyd"]))
    channels = (await events.after(author.db, 0))[-1].channels
    assert {"author:ada", "author:bob", "author:cyd", "me:ada", "me:bob", "me:cyd"} <= set(channels)


async def test_a_version_shows_the_present_names(author: Context, acting: As) -> None:
    await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x", authors=["ada", "bob"]))
    await author.db.execute(tables.users.update().where(tables.users.c.username == "bob").values(name="Bob Byte"))
    await posts.edit(author, post.id, PostChanges(title="B"))
    diff = (await history.compare(author, post.id, 1, 2)).diff
    assert [change.field.name for change in diff.fields] == ["title"], "a new name is no change of the post"
    assert [named.name for named in (await revisions.get(author, post.id, 1)).authors] == ["ada", "Bob Byte"]


async def test_a_deleted_account_stays_in_the_history_without_its_name(author: Context, acting: As) -> None:
    bob = await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x", authors=["ada", "bob"]))
    deletion = AccountDeletion(username="bob", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    await account_deletion.delete_account(bob, deletion)
    for names in ((await revisions.get(author, post.id, 1)).authors, (await posts.get(author, post.id)).authors):
        assert [named.name for named in names] == ["ada", "Deleted account"]
    await posts.edit(author, post.id, PostChanges(authors=["ada"]))
    restored = await revisions.restore(author, post.id, 1)
    assert (author_names(restored.post), restored.keeps_authors) == (["ada"], True)


async def test_a_restore_names_the_old_authors_if_it_may(author: Context, acting: As) -> None:
    bob, eve = await acting("bob"), await acting("eve", Role.EDITOR)
    post = await posts.create(author, NewPost(title="A", content="x"))
    await posts.edit(author, post.id, PostChanges(title="B", authors=["bob", "ada"]))
    restored = await revisions.restore(bob, post.id, 1)
    assert (restored.post.title, author_names(restored.post), restored.keeps_authors) == ("A", ["bob", "ada"], True)
    restored = await revisions.restore(eve, post.id, 1)
    assert (author_names(restored.post), restored.keeps_authors) == (["ada"], False)
    await accounts.set_role(author, "bob", Role.READER)
    restored = await revisions.restore(eve, post.id, 2)
    assert (restored.post.title, author_names(restored.post), restored.keeps_authors) == ("B", ["ada"], True)


async def received(ctx: Context) -> list[tuple[str, str | None, str | None, bool]]:
    """Return the type, sender, post and permission to leave of each notification, newest first."""
    return [
        (
            item.notification_type.value,
            item.sender.username if item.sender else None,
            item.post.title if item.post else None,
            item.can_leave,
        )
        for item in (await notifications.list_page(ctx)).items
    ]


async def test_added_authors_are_notified_once(author: Context, acting: As) -> None:
    bob, eve = await acting("bob"), await acting("eve", Role.EDITOR)
    first = await posts.create(author, NewPost(title="First", content="x", authors=["ada", "bob"]))
    await posts.edit(author, first.id, PostChanges(title="One", authors=["bob", "ada"]))
    draft = await posts.create(eve, NewPost(title="Draft", content="x", status=PostStatus.DRAFT, authors=["bob", "eve"]))
    assert await received(bob) == [("author", "eve", "Draft", True), ("author", "ada", "One", True)]
    assert (await received(author), await received(eve)) == ([], [])
    assert (await notifications.unread_counts(bob)).unread_notifications == 2
    await posts.leave(bob, draft.id)
    assert await received(bob) == [("author", "eve", None, False), ("author", "ada", "One", True)]
    await posts.leave(author, first.id)
    assert (await received(bob))[1] == ("author", "ada", "One", False), "the last author stays"


async def test_an_author_leaves_a_post_but_not_the_last_one(author: Context, acting: As) -> None:
    bob, eve = await acting("bob"), await acting("eve", Role.EDITOR)
    post = await posts.create(author, NewPost(title="A", content="x", authors=["bob", "ada"]))
    with pytest.raises(Forbidden, match="You are not an author of this post"):
        await posts.leave(eve, post.id)
    left = await posts.leave(bob, post.id)
    assert (author_names(left), left.version) == (["ada"], 2)
    assert {"author:ada", "author:bob"} <= set((await events.after(author.db, 0))[-1].channels)
    with pytest.raises(Conflict, match="You are the only author of this post"):
        await posts.leave(author, post.id)
    with pytest.raises(Forbidden):
        await posts.edit(bob, post.id, PostChanges(title="B"))


async def test_leaving_keeps_a_change_made_at_the_same_time(author: Context, acting: As, monkeypatch: pytest.MonkeyPatch) -> None:
    bob, _ = await acting("bob"), await acting("carla")
    post = await posts.create(author, NewPost(title="A", content="x", authors=["ada", "bob"]))
    save, others = posts.save_changes, [PostChanges(title="B", authors=["ada", "bob", "carla"])]

    async def save_later(ctx: Context, *args: Any, **options: Any) -> Post:
        if others and options.get("leaves"):
            await posts.edit(author, post.id, others.pop())
        return await save(ctx, *args, **options)

    monkeypatch.setattr(posts, "save_changes", save_later)
    left = await posts.leave(bob, post.id)
    assert (left.title, author_names(left), left.version) == ("B", ["ada", "carla"], 3)


async def test_api(acting: As, client: httpx2.AsyncClient, bearer: Bearer) -> None:
    await acting("bob")
    headers = await bearer("ada")
    sent = {"title": "A", "content": "x", "authors": ["bob", "ada"]}
    created = (await client.post("/api/v1/posts", json=sent, headers=headers)).json()
    assert (created["author"], [one["username"] for one in created["authors"]]) == ("bob", ["bob", "ada"])
    path = f"/api/v1/posts/{created['id']}"
    refused = await client.patch(path, json={"authors": ["bob", "carla"]}, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "authors"]
    assert "carla" in refused.json()["errors"][0]["msg"]
    assert (await client.patch(path, json={"authors": None}, headers=headers)).status_code == 422
    revision = (await client.get(f"{path}/revisions/1", headers=headers)).json()
    assert revision["authors"] == created["authors"]
    for listed in (await client.get("/api/v1/posts?author=ada"), await client.get("/api/v1/posts?author=bob")):
        assert [post["id"] for post in listed.json()["items"]] == [created["id"]]


async def test_rows_of_posts_and_versions_agree(author: Context, acting: As) -> None:
    await acting("bob")
    post = await posts.create(author, NewPost(title="A", content="x", authors=["bob", "ada"]))
    await posts.edit(author, post.id, PostChanges(authors=["ada", "bob"]))
    links = tables.post_authors.c
    of_post = await author.db.fetch_all(sa.select(links.user_id, links.position, links.listed_at).order_by(links.position))
    versions = tables.revision_authors.c
    of_version = await author.db.fetch_all(
        sa.select(versions.user_id, versions.position).where(versions.version == 2).order_by(versions.position)
    )
    assert [tuple(row)[:2] for row in of_post] == [tuple(row) for row in of_version]
    assert {row["listed_at"] for row in of_post} == {post.published_at}


async def test_users_are_found_by_the_start_of_a_name(author: Context, acting: As) -> None:
    people = (
        ("bob", Role.AUTHOR, "Byte Lovelace"),
        ("eve_l", Role.EDITOR, "Eve"),
        ("love", Role.OWNER, "O'Neil"),
        ("lov", Role.READER, "Lo"),
    )
    for username, role, name in people:
        await acting(username, role)
        await author.db.execute(tables.users.update().where(tables.users.c.username == username).values(name=name))
    for text, expected in (
        ("lov", ["bob", "love"]),
        ("LOVE", ["bob", "love"]),
        ("byte", ["bob"]),
        ("ovel", []),
        ("eve_", ["eve_l"]),
        ("%", []),
        ("", ["ada", "bob", "eve_l", "love"]),
    ):
        assert [found.username for found in await authors.find(author, text)] == expected, text
    await author.db.execute(tables.users.update().where(tables.users.c.username == "love").values(suspended_at=author.now))
    assert [found.username for found in await authors.find(author, "lov")] == ["bob"]


async def test_at_most_20_users_are_found(author: Context) -> None:
    columns = {"role": "author", "created_at": author.now, "updated_at": author.now}
    rows = [{"username": f"many-{n}", "username_folded": f"many-{n}", "name": "M"} | columns for n in range(25)]
    await author.db.execute(tables.users.insert().values(rows))
    assert len(await authors.find(author, "many")) == 20
