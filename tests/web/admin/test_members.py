"""The list of members, and the page of one, for owners."""

import re

import httpx2
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts, imported_authors, sessions
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.comments import CommentStatus, NewComment
from blog.schemas.posts import NewPost, PostStatus
from tests.conftest import MakeUser
from tests.web.conftest import SignIn, Write

EMPTY_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def ora(sign_in: SignIn) -> dict[str, str]:
    return await sign_in("ora", Role.OWNER)


async def path_of(ctx: Context, username: str, action: str = "") -> str:
    return f"/admin/members/{(await accounts.by_username(ctx, username)).id}{action}"


async def as_user(ctx: Context, username: str) -> Context:
    return ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, username)))


async def test_list_is_filtered_and_sorted(
    client: httpx2.AsyncClient, ora: dict[str, str], write: Write, make_user: MakeUser
) -> None:
    await write("On engines")
    await make_user("rob", Role.READER)

    async def listed(query: str) -> list[str]:
        return re.findall(r"<strong>(\w+)</strong>", (await client.get(f"/admin/members?{query}", headers=ora)).text)

    assert await listed("") == ["rob", "ada", "ora"]
    assert await listed("role=author") == ["ada"]
    assert await listed("status=suspended") == []
    assert await listed("sort=username") == ["ada", "ora", "rob"]
    assert await listed("sort=-last_seen_at") == ["ora", "rob", "ada"]
    assert await listed("role=king&sort=age&status=odd") == ["rob", "ada", "ora"]
    page = (await client.get("/admin/members?role=author&sort=username", headers=ora)).text
    assert '<option value="author" selected>' in page
    assert '<option value="username" selected>' in page
    assert re.search(r"never seen · 1 post · 0 comments", page)


async def test_member_is_suspended_and_reinstated(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], sign_in: SignIn
) -> None:
    ada = await sign_in("ada")
    path = await path_of(ctx, "ada")
    assert "Suspend</button>" in (await client.get(path, headers=ora)).text
    answer = await client.post(f"{path}/suspend", data={"comments": "hold"}, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=suspended")
    assert (await client.get("/dashboard", headers=ada)).headers["location"].startswith("/login")
    page = (await client.get(answer.headers["location"], headers=ora)).text
    assert "Account suspended." in page
    assert "Suspended since" in page
    assert '<span class="mark">Suspended</span>' in (await client.get("/admin/members", headers=ora)).text
    answer = await client.post(f"{path}/unsuspend", headers=ora | EMPTY_FORM)
    assert answer.headers["location"] == f"{path}?done=unsuspended"
    assert (await accounts.by_username(ctx, "ada")).suspended_at is None


async def test_owner_cannot_suspend_or_delete_their_own_account(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str]
) -> None:
    path = await path_of(ctx, "ora")
    page = (await client.get(path, headers=ora)).text
    assert "suspend" not in page.lower()
    assert f"{path}/delete" not in page
    refused = await client.post(f"{path}/suspend", data={"comments": "keep"}, headers=ora)
    assert refused.status_code == 409
    assert "You cannot suspend your own account" in refused.text
    sent = {"posts": "keep", "transfer_to": "", "comments": "keep", "username": "ora"}
    assert (await client.post(f"{path}/delete", data=sent, headers=ora)).status_code == 409
    assert (await client.post(path, data={"role": "reader"}, headers=ora)).status_code == 409
    assert (await accounts.by_username(ctx, "ora")).role is Role.OWNER


async def test_reset_link_is_shown_once_and_works_once(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], make_user: MakeUser
) -> None:
    await make_user("bob", Role.READER)
    path = await path_of(ctx, "bob")
    answer = await client.post(f"{path}/password-link", data={"send": "false"}, headers=ora)
    assert answer.status_code == 201
    link = re.findall(r">http://127\.0\.0\.1:8000(/set-password/[^<]+)<", answer.text)[0]
    assert link not in (await client.get(path, headers=ora)).text
    new = {"password": "another long one"}
    own = {"Origin": ora["Origin"], "Sec-Fetch-Site": "same-origin"}
    assert (await client.post(link, data=new, headers=own)).status_code == 303
    assert (await client.get(link)).status_code == 404


async def test_reset_link_is_mailed_to_accounts_with_an_address(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], make_user: MakeUser
) -> None:
    await make_user("bob", Role.READER)
    path = await path_of(ctx, "bob")
    assert "E-mail reset link" in (await client.get(path, headers=ora)).text
    answer = await client.post(f"{path}/password-link", data={"send": "true"}, headers=ora)
    assert answer.headers["location"] == f"{path}?done=link-sent"
    logged = await ctx.db.fetch_all(sa.select(tables.audit_log.c.action).order_by(tables.audit_log.c.id))
    assert "password_link_created" in [row["action"] for row in logged]
    async with ctx.db.transaction():
        await imported_authors.get_or_create_author(ctx, "Mary")
    path = await path_of(ctx, "Mary")
    assert "E-mail reset link" not in (await client.get(path, headers=ora)).text
    refused = await client.post(f"{path}/password-link", data={"send": "true"}, headers=ora)
    assert (refused.status_code, "This account has no e-mail address" in refused.text) == (409, True)


async def test_member_is_signed_out_everywhere(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], sign_in: SignIn
) -> None:
    bob = await sign_in("bob", Role.READER)
    path = await path_of(ctx, "bob")
    answer = await client.post(f"{path}/sign-out", headers=ora | EMPTY_FORM)
    assert answer.headers["location"] == f"{path}?done=signed-out"
    assert await sessions.load(ctx, bob["Cookie"].removeprefix("session=")) is None


async def test_posts_of_an_imported_author_get_a_new_author(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], write: Write
) -> None:
    post = await write("On engines")
    draft = await write("Draft", status=PostStatus.DRAFT)
    async with ctx.db.transaction():
        await imported_authors.get_or_create_author(ctx, "Mary Somerville")
    page = (await client.get(await path_of(ctx, "Mary-Somerville"), headers=ora)).text
    assert "None: an imported author" in page
    path = await path_of(ctx, "ada")
    for name in ("nobody", "ada", ""):
        refused = await client.post(f"{path}/posts", data={"transfer_to": name}, headers=ora)
        assert (refused.status_code, 'id="error-transfer_to"' in refused.text) == (422, True)
    answer = await client.post(f"{path}/posts", data={"transfer_to": "mary-somerville"}, headers=ora)
    assert answer.headers["location"] == f"{path}?done=posts"
    owner = await as_user(ctx, "ora")
    for item in (post, draft):
        changed = await posts.get(owner, item.id)
        assert ([author.username for author in changed.authors], changed.version) == (["Mary-Somerville"], 2)
    assert "Mary Somerville" in (await client.get("/posts/on-engines")).text


@pytest.mark.parametrize("choice", ["keep", "transfer", "delete"])
@pytest.mark.parametrize("comment_choice", ["keep", "remove"])
async def test_deletion_keeps_what_was_chosen(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], write: Write, choice: str, comment_choice: str
) -> None:
    owner, ada = await as_user(ctx, "ora"), None
    post, draft = await write("On engines"), await write("Draft", status=PostStatus.DRAFT)
    ada = await as_user(ctx, "ada")
    elsewhere = await posts.create(owner, NewPost(title="Elsewhere", content="x"))
    comment = await comments.create(ada, elsewhere.id, NewComment(content="A private matter."))
    path = await path_of(ctx, "ada", "/delete")
    sent = {"posts": choice, "comments": comment_choice, "transfer_to": "ora" if choice == "transfer" else "", "username": "adam"}
    refused = await client.post(path, data=sent, headers=ora)
    assert (refused.status_code, 'id="error-username"' in refused.text) == (422, True)
    answer = await client.post(path, data=sent | {"username": "ADA"}, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/members?done=deleted")
    page = await client.get("/posts/on-engines")
    assert page.status_code == (410 if choice == "delete" and page.status_code == 410 else 404 if choice == "delete" else 200)
    if choice == "transfer":
        assert [author.username for author in (await posts.get(owner, draft.id)).authors] == ["ora"]
    elif choice == "keep":
        assert "Deleted account" in page.text
    left = await comments.get(owner, comment.id)
    assert left.status is (CommentStatus.VISIBLE if comment_choice == "keep" else CommentStatus.REMOVED)
    assert left.content == ("A private matter." if comment_choice == "keep" else "")
    assert (await posts.get(owner, elsewhere.id)).comment_count == (1 if comment_choice == "keep" else 0)
    assert (await client.get(await path_of(ctx, "ora"), headers=ora)).status_code == 200
    assert (await client.get(path.removesuffix("/delete"), headers=ora)).status_code == 404
    assert post.id


@pytest.mark.parametrize("action", ["", "/suspend", "/unsuspend", "/sign-out", "/password-link", "/posts", "/delete"])
async def test_every_action_is_for_owners_with_a_recent_password(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, make_user: MakeUser, ora: dict[str, str], action: str
) -> None:
    edo = await sign_in("edo", Role.EDITOR)
    await make_user("bob", Role.READER)
    path = await path_of(ctx, "bob", action)
    sent = {"role": "editor", "comments": "keep", "send": "false", "transfer_to": "edo", "posts": "keep", "username": "bob"}
    fields = {"": ["role"], "/suspend": ["comments"], "/password-link": ["send"], "/posts": ["transfer_to"],
              "/delete": ["posts", "comments", "username"]}  # fmt: skip
    data = {name: sent[name] for name in fields.get(action, [])}
    assert (await client.post(path, data=data, headers=edo)).status_code == 403
    await ctx.db.execute("UPDATE sessions SET confirmed_at = NULL")
    late = await client.post(path, data=data, headers=ora | EMPTY_FORM)
    assert (late.status_code, "confirm your password" in late.text) == (403, True)
    assert (await accounts.by_username(ctx, "bob")).role is Role.READER
