"""Accounts and tokens in the JSON API."""

import datetime as dt
import itertools
from dataclasses import replace

import httpx2
import pyotp
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, password_reset, two_factor
from blog.domain.core.context import Context
from blog.errors import NotFound
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from tests.conftest import PASSWORD, Bearer, MakeUser, running
from tests.support.optional import unwrap
from tests.support.stored import all_that_is_stored

PARTS = ("", "/posts", "/comments")
DRAFT = {"title": "A", "content": "x", "status": "draft"}
ADA = {"username": "ada", "email": "ada@example.org", "age": 36, "password": PASSWORD}


async def test_personal_responses_are_not_cached_by_shared_caches(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada = await bearer("ada", scopes=[Scope.ACCOUNT])
    for path in ("/users/me", "/tokens", "/posts?status=draft", "/nowhere"):
        answer = await client.get(f"/api/v1{path}", headers=ada)
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "Authorization, Cookie"
    assert "private" not in (await client.get("/api/v1/posts")).headers.get("cache-control", "")


async def test_registration_creates_a_reader_with_a_private_age(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    made = await client.post("/api/v1/users", json=ADA)
    assert made.status_code == 201
    assert (made.json()["role"], made.json()["age"]) == ("reader", 36)
    assert "password" not in made.text
    assert (await client.get(made.headers["location"])).status_code == 404, "published nothing"
    seen = (await client.get(made.headers["location"], headers=await bearer("ora", Role.OWNER))).json()
    assert set(seen) == {"user", "posts", "comments", "processing_time_seconds"}
    assert set(seen["user"]) == {"id", "username", "name", "bio", "role", "created_at"}
    assert seen["processing_time_seconds"] >= 0


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("username", "ab"), ("username", "a" * 51), ("username", "a b"), ("username", "ädä"), ("username", "a\n"),
        ("email", "ada"), ("email", "ada@"), ("email", "@example.org"), ("email", "a b@example.org"), ("age", -1), ("age", 151),
        ("password", "x7&kq"), ("password", "x" * 257), ("admin", True), ("age", "x"),
    ],
)  # fmt: skip
async def test_invalid_account_is_refused_without_echo(client: httpx2.AsyncClient, member: str, value: bool | int | str) -> None:
    answer = await client.post("/api/v1/users", json=ADA | {member: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", member]
    if isinstance(value, str) and len(value) > 2:
        assert value not in answer.text


async def test_registration_reports_all_errors_at_once(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/users", json=ADA)
    for changed, status, fields in (
        ({"email": "nobody", "age": -1}, 422, {"username", "email", "age"}),
        ({"username": "x"}, 422, {"username", "email"}),
        ({"password": "password1"}, 422, {"username", "email", "password"}),
        ({}, 409, {"username", "email"}),
    ):
        answer = await client.post("/api/v1/users", json=ADA | changed)
        assert answer.status_code == status
        assert {tuple(error["loc"]) for error in answer.json()["errors"]} == {("body", field) for field in fields}


async def test_username_and_email_are_unique_ignoring_case(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/users", json=ADA)
    for changed, field in (({"username": "ADA"}, "email"), ({"username": "ADA", "email": "x@example.org"}, "username")):
        answer = await client.post("/api/v1/users", json=ADA | changed)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["loc"][0] == "body"
        assert answer.json()["errors"][0]["loc"][1] in (field, "username")
    other = await client.post("/api/v1/users", json=ADA | {"username": "other", "email": "ADA@example.org"})
    assert (other.status_code, other.json()["errors"][0]["loc"]) == (409, ["body", "email"])


async def test_token_is_shown_once_and_revocation_is_immediate(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/users", json=ADA)
    made = await client.post("/api/v1/tokens", json={"username": "ada", "password": PASSWORD, "expires_in": 600})
    assert made.status_code == 201
    body = made.json()
    assert set(body) == {"id", "name", "token", "token_type", "scopes", "created_at", "expires_at"}
    assert (body["token_type"], made.headers["cache-control"]) == ("bearer", "no-store")
    headers = {"Authorization": f"Bearer {body['token']}"}
    me = (await client.get("/api/v1/users/me", headers=headers)).json()
    assert (me["username"], me["email"], me["age"]) == ("ada", "ada@example.org", 36)
    listed = await client.get("/api/v1/tokens", headers=headers)
    assert [item["id"] for item in listed.json()["items"]] == [body["id"]]
    assert body["token"] not in listed.text
    assert (await client.delete(f"/api/v1/tokens/{body['id']}", headers=headers)).status_code == 204
    assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 401


async def test_secret_is_not_in_the_database(client: httpx2.AsyncClient, settings: Settings) -> None:
    await client.post("/api/v1/users", json=ADA)
    token = (await client.post("/api/v1/tokens", json={"username": "ada", "password": PASSWORD})).json()["token"]
    stored = await all_that_is_stored(settings)
    assert b"ada@example.org" in stored
    for secret in (PASSWORD, token, token.partition(".")[0]):
        assert secret.encode() not in stored


async def test_wrong_password_unknown_name_and_no_password_have_one_error(client: httpx2.AsyncClient, ctx: Context) -> None:
    await client.post("/api/v1/users", json=ADA)
    await client.post("/api/v1/users", json={"username": "bob", "email": "bob@example.org"})
    answers = [
        await client.post("/api/v1/tokens", json={"username": name, "password": password})
        for name, password in (("ada", "not the password"), ("nobody", PASSWORD), ("bob", PASSWORD))
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_link_sets_the_first_password_once(client: httpx2.AsyncClient, ctx: Context) -> None:
    await client.post("/api/v1/users", json={"username": "bob", "email": "bob@example.org"})
    secret = await password_reset.create_link(ctx, "bob")
    other = await password_reset.create_link(ctx, "bob")
    await password_reset.use_link(ctx, secret, SecretStr(PASSWORD))
    for used in (secret, other):
        with pytest.raises(NotFound):
            await password_reset.use_link(ctx, used, SecretStr(PASSWORD))
    assert (await client.post("/api/v1/tokens", json={"username": "BOB", "password": PASSWORD})).status_code == 201


async def test_each_scope_allows_its_own_requests_alone(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    post = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=await bearer("writer"))
    comments = f"/api/v1/posts/{post.json()['id']}/comments"
    for number, scope in enumerate(Scope):
        headers = await bearer(f"user{number}", Role.OWNER, scopes=[scope])
        responses = {
            Scope.POSTS_WRITE: await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=headers),
            Scope.COMMENTS_WRITE: await client.post(comments, json={"content": "x"}, headers=headers),
            Scope.MEDIA_WRITE: await client.get("/api/v1/media", headers=headers),
            Scope.ACCOUNT: await client.patch("/api/v1/users/me", json={"age": 1}, headers=headers),
            Scope.ADMIN: await client.put("/api/v1/flags/comments", json={"enabled": True}, headers=headers),
        }
        assert responses.keys() == set(Scope)
        for needed, response in responses.items():
            assert response.is_success == (needed is scope), (scope, needed, response.text)
            assert response.is_success or response.status_code == 403


async def test_admin_scope_is_for_owners(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/users", json=ADA)
    wanted = {"username": "ada", "password": PASSWORD, "scopes": ["admin"]}
    assert (await client.post("/api/v1/tokens", json=wanted)).status_code == 403


async def test_account_changes_keep_absent_members(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    changed = await client.patch("/api/v1/users/me", json={"name": "Ada L.", "age": 36}, headers=headers)
    assert (changed.json()["name"], changed.json()["age"], changed.json()["email"]) == ("Ada L.", 36, "ada@example.org")
    cleared = await client.patch("/api/v1/users/me", json={"age": None}, headers=headers)
    assert (cleared.json()["name"], cleared.json()["age"]) == ("Ada L.", None)
    assert (await client.patch("/api/v1/users/me", json={"name": None}, headers=headers)).status_code == 422


@pytest.mark.parametrize(
    "path", ["/users/99", "/users/99/posts", "/users/99/comments", "/users/" + "9" * 30, "/posts/" + "9" * 5000]
)
async def test_unknown_and_impossible_ids_are_not_found(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(f"/api/v1{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


ROLES = {"rob": Role.READER, "ada": Role.AUTHOR, "edo": Role.EDITOR, "ora": Role.OWNER}


async def test_account_that_published_nothing_is_hidden_and_roles_are_for_editors(
    client: httpx2.AsyncClient, bearer: Bearer
) -> None:
    people: dict[str, dict[str, str]] = {"nobody": {}, **{name: await bearer(name, role) for name, role in ROLES.items()}}
    ids = {name: (await client.get("/api/v1/users/me", headers=people[name])).json()["id"] for name in ROLES}

    async def viewers(of: str) -> set[str]:
        """Return the names of the people that see the account. The three paths agree."""
        seen = {
            name: [(await client.get(f"/api/v1/users/{ids[of]}{part}", headers=headers)).status_code for part in PARTS]
            for name, headers in people.items()
        }
        assert all(len(set(statuses)) == 1 for statuses in seen.values())
        return {name for name, statuses in seen.items() if statuses[0] == 200}

    for name in ROLES:
        assert await viewers(name) == {name, "ora"}
    hidden, unknown = [(await client.get(f"/api/v1/users/{number}")).json()["detail"] for number in (ids["ada"], 99)]
    assert hidden == unknown

    post = (await client.post("/api/v1/posts", json=DRAFT, headers=people["ada"])).headers["location"]
    assert await viewers("ada") == {"ada", "ora"}, "a draft is not published"
    await client.patch(post, json={"status": "published"}, headers=people["ada"])
    comment = (await client.post(f"{post}/comments", json={"content": "Yes."}, headers=people["rob"])).headers["location"]
    for name in ("ada", "rob"):
        assert await viewers(name) == set(people)
        path = f"/api/v1/users/{ids[name]}"
        shown = {other: (await client.get(path, headers=headers)).json()["user"] for other, headers in people.items()}
        assert {other for other, user in shown.items() if "role" in user} == {name, "edo", "ora"}
        assert shown["edo"]["role"] == ROLES[name]
    await client.delete(comment, headers=people["rob"])
    await client.delete(post, headers=people["ada"])
    assert (await viewers("rob"), await viewers("ada")) == ({"rob", "ora"}, {"ada", "ora"})


async def test_closed_registration_is_refused(settings: Settings) -> None:
    async with running(create_app(settings.model_copy(update={"registration": False}))) as client:
        assert (await client.post("/api/v1/users", json=ADA)).status_code == 403


async def test_tampered_tokens_are_refused(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    token = (await bearer("ada"))["Authorization"]
    for position in (10, len(token) // 2, len(token) - 3):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        answer = await client.get("/api/v1/users/me", headers={"Authorization": changed})
        assert answer.status_code == 401


async def test_methods_and_options_of_every_route(client: httpx2.AsyncClient) -> None:
    verbs = ("GET", "POST", "PUT", "PATCH", "DELETE")
    for path, verb in itertools.product(("/posts", "/posts/1", "/tags", "/users/me", "/tokens/1"), verbs):
        offered = (await client.options(f"/api/v1{path}")).headers["allow"].split(", ")
        answer = await client.request(verb, f"/api/v1{path}")
        assert (answer.status_code == 405) == (verb not in offered)
        if answer.status_code == 405:
            assert answer.headers["allow"].split(", ") == offered
            assert answer.json()["status"] == 405
        assert ("HEAD" in offered) == ("GET" in offered)


@pytest.fixture
async def guarded(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> tuple[str, str]:
    """Turn on two-factor authentication for ada; return the secret of the app and a recovery code."""
    ada = ctx.acting_as(accounts.as_actor(await make_user("ada")))
    await two_factor.start_setup(ada)
    secret = unwrap(await two_factor.pending_secret(ada))
    earlier = replace(ada, now=ada.now - dt.timedelta(seconds=60))
    codes = await two_factor.enable(earlier, SecretStr(pyotp.TOTP(secret).at(earlier.now)))
    return secret, codes[0]


async def test_token_needs_the_one_time_code_if_two_factor_is_on(client: httpx2.AsyncClient, guarded: tuple[str, str]) -> None:
    secret, recovery = guarded
    wanted = {"username": "ada", "password": PASSWORD}
    for sent, reason in (({}, "otp_required"), ({"otp": "000"}, "otp_wrong")):
        refused = await client.post("/api/v1/tokens", json=wanted | sent)
        assert (refused.status_code, refused.json()["title"]) == (401, "Two-factor code required")
        assert [(fault["loc"], fault["type"]) for fault in refused.json()["errors"]] == [(["body", "otp"], reason)]
    wrong = await client.post("/api/v1/tokens", json={"username": "ada", "password": "guess", "otp": pyotp.TOTP(secret).now()})
    assert (wrong.status_code, "errors" in wrong.json()) == (401, False)
    otp = pyotp.TOTP(secret).now()
    assert (await client.post("/api/v1/tokens", json=wanted | {"otp": otp})).status_code == 201
    assert (await client.post("/api/v1/tokens", json=wanted | {"otp": otp})).status_code == 401, "a code works once"
    assert (await client.post("/api/v1/tokens", json=wanted | {"otp": recovery})).status_code == 201


async def test_failed_attempts_with_an_idempotency_key_are_counted(
    client: httpx2.AsyncClient, ctx: Context, guarded: tuple[str, str]
) -> None:
    before = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit_log))
    for password in ("guess", PASSWORD):
        answer = await client.post(
            "/api/v1/tokens",
            json={"username": "ada", "password": password, "otp": "000"},
            headers={"Idempotency-Key": f"{len(password)}"},
        )
        assert answer.status_code == 401
    actions = await ctx.db.fetch_all(sa.select(tables.audit_log.c.action).order_by(tables.audit_log.c.id).offset(before))
    assert [row["action"] for row in actions] == ["sign_in_failed", "two_factor_failed"]
