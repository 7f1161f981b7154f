"""Accounts of others, as owners see and change them by API."""

import httpx2
import pytest

from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role, Scope
from blog.schemas.posts import NewPost
from tests.conftest import ORIGIN, Bearer, MakeUser


@pytest.fixture
async def ora(bearer: Bearer) -> dict[str, str]:
    return await bearer("ora", Role.OWNER, scopes=list(Scope))


async def test_owner_pages_through_the_accounts(client: httpx2.AsyncClient, ora: dict[str, str], make_user: MakeUser) -> None:
    for name in ("ada", "bob", "eve"):
        await make_user(name, Role.READER)
    found, target = [], "/api/v1/users?role=reader&sort=username&limit=2"
    while target:
        answer = await client.get(target, headers=ora)
        assert answer.status_code == 200
        found += [(item["username"], item["email"], item["post_count"]) for item in answer.json()["items"]]
        target = answer.links["next"]["url"] if "next" in answer.links else ""
    assert found == [(name, f"{name}@example.org", 0) for name in ("ada", "bob", "eve")]
    assert (await client.get("/api/v1/users?sort=age", headers=ora)).status_code == 422
    assert (await client.get("/api/v1/users?status=suspended", headers=ora)).json()["items"] == []


async def test_strangers_find_only_published_people(client: httpx2.AsyncClient, ctx: Context, author: Context) -> None:
    assert (await client.get("/api/v1/users?username=ada")).json() == {"items": [], "next": None}
    await posts.create(author, NewPost(title="A", content="x"))
    (found,) = (await client.get("/api/v1/users?username=ADA")).json()["items"]
    assert found.keys() == {"id", "username", "name", "bio", "created_at"}
    assert (await client.get("/api/v1/users?username=nobody")).json()["items"] == []
    assert (await client.get("/api/v1/users")).status_code == 401


async def test_suspension_by_api_and_its_end(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], bearer: Bearer
) -> None:
    ada = await bearer("ada")
    user = await accounts.by_username(ctx, "ada")
    path = f"/api/v1/users/{user.id}/suspension"
    answer = await client.put(path, json={"comments": "hold"}, headers=ora)
    assert (answer.status_code, answer.json()["username"]) == (200, "ada")
    assert answer.json()["suspended_at"].endswith("Z")
    assert (await client.get("/api/v1/users/me", headers=ada)).status_code == 401
    assert (await client.put(path, json={}, headers=ora)).status_code == 200, "again: the same"
    assert (await client.delete(path, headers=ora)).status_code == 204
    (entry,) = (await client.get("/api/v1/users?q=ada", headers=ora)).json()["items"]
    assert entry["suspended_at"] is None
    own = await accounts.by_username(ctx, "ora")
    refused = await client.put(f"/api/v1/users/{own.id}/suspension", json={}, headers=ora)
    assert (refused.status_code, refused.json()["detail"]) == (409, "You cannot suspend your own account. Another owner can.")


async def test_role_is_changed_by_api(client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], make_user: MakeUser) -> None:
    bob = await make_user("bob", Role.READER)
    answer = await client.patch(f"/api/v1/users/{bob.id}", json={"role": "editor"}, headers=ora)
    assert (answer.status_code, answer.json()["role"]) == (200, "editor")
    assert (await client.patch(f"/api/v1/users/{bob.id}", json={}, headers=ora)).json()["role"] == "editor"
    own = await accounts.by_username(ctx, "ora")
    assert (await client.patch(f"/api/v1/users/{own.id}", json={"role": "reader"}, headers=ora)).status_code == 409


async def test_owner_resets_signs_out_and_deletes_by_api(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], author: Context
) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    path = f"/api/v1/users/{author.require_actor().id}"
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    made = await client.post(f"{path}/password-link", json={}, headers=ora)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    link = made.json()["url"].removeprefix(ORIGIN)
    assert (await client.get(link)).status_code == 200
    sent = await client.post(f"{path}/password-link", json={"send": True}, headers=ora)
    assert (sent.status_code, sent.json()["url"]) == (201, None)
    assert (await client.delete(f"{path}/sessions", headers=ora)).status_code == 204
    assert await sessions.load(ctx, session) is None
    refused = await client.delete(f"{path}?posts=transfer&transfer_to=nobody", headers=ora)
    assert (refused.status_code, refused.json()["errors"][0]["loc"][-1]) == (422, "transfer_to")
    moved = await client.post(f"{path}/posts/transfer", json={"transfer_to": "ora"}, headers=ora)
    assert (moved.status_code, moved.json()) == (200, {"posts": 1})
    assert (await client.get(f"/api/v1/posts/{post.id}")).json()["version"] == 2
    assert (await client.delete(f"{path}?comments=remove", headers=ora)).status_code == 204
    assert (await client.get(path, headers=ora)).json()["user"]["name"] == "Deleted account"
    assert (await client.delete(path, headers=ora)).status_code == 404
    assert (await client.get(link)).status_code == 404


@pytest.mark.parametrize("number", [0, 999_999])
async def test_role_of_an_unknown_user_is_not_found(client: httpx2.AsyncClient, ora: dict[str, str], number: int) -> None:
    answer = await client.patch(f"/api/v1/users/{number}", json={"role": "author"}, headers=ora)
    assert answer.status_code == 404
