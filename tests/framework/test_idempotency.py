"""`Idempotency-Key`: a repeated request takes effect once, on every worker."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from blog.api.routes import routes
from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import registration
from blog.domain.core.context import Context
from blog.errors import FieldError
from blog.framework.endpoints import idempotency
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.response.problems import HANDLERS
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from tests.conftest import PASSWORD, Bearer, running
from tests.support.serving import blog, free_port, serving, wait_until_up
from tests.support.stored import all_that_is_stored

POST = {"title": "Once", "content": "Only *once*."}
KEY = {"Idempotency-Key": "0b8f1c9e"}
ADA = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}


async def count(ctx: Context, table: sa.Table) -> int:
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(table)))


async def test_same_key_and_body_get_the_same_response(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada") | KEY
    first = await client.post("/api/v1/posts", json=POST, headers=ada)
    again = await client.post("/api/v1/posts", json=POST, headers=ada)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for name in ("location", "etag", "content-type", "content-length", "cache-control", "vary"):
        assert again.headers[name] == first.headers[name]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert first.headers["x-correlation-id"] != again.headers["x-correlation-id"]
    assert await count(ctx, tables.posts) == await count(ctx, tables.events) == 1


async def test_without_a_key_each_request_is_new(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada")
    for _ in range(2):
        assert (await client.post("/api/v1/posts", json=POST, headers=ada)).status_code == 201
    assert (await count(ctx, tables.posts), await count(ctx, tables.idempotency_keys)) == (2, 0)


async def test_twenty_concurrent_requests_create_one_post(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada") | KEY
    answers = await asyncio.gather(*(client.post("/api/v1/posts", json=POST, headers=ada) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotency-replayed") for answer in answers) == {None: 1, "true": 19}
    assert await count(ctx, tables.posts) == 1


async def test_two_workers_on_one_file_create_one_post(settings: Settings, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada") | KEY
    async with running(create_app(settings)) as one, running(create_app(settings)) as other:
        answers = await asyncio.gather(
            *(worker.post("/api/v1/posts", json=POST, headers=ada) for _ in range(10) for worker in (one, other))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await count(ctx, tables.posts) == 1


async def test_check_before_the_first_change_does_not_fail_a_repeat(
    client: httpx2.AsyncClient, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two equal requests pass the lookup of the key together; one then finds that its username is taken, by the other."""
    find_errors, first_is_done = registration.find_errors, asyncio.Event()
    requests = 0

    async def find_errors_in_turn(*args: Any) -> list[FieldError]:
        nonlocal requests
        requests += 1
        if requests == 2:
            await first_is_done.wait()
        return await find_errors(*args)

    monkeypatch.setattr(registration, "find_errors", find_errors_in_turn)
    tasks = [asyncio.create_task(client.post("/api/v1/users", json=ADA, headers=KEY)) for _ in range(2)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first_is_done.set()
    answers = await asyncio.gather(*tasks)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == len(done) == 1


def test_requests_of_a_killed_server_are_atomic(home: Path) -> None:
    blog(home, "user", "create", "ada", "ada@example.org", "--role", "author")
    ada = {"Authorization": f"Bearer {blog(home, 'token', 'create', 'ada').stdout.strip()}"}
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/v1/posts"
    keys = [f"key-{number}" for number in range(30)]

    def headers(key: str) -> dict[str, str]:
        return ada | {"Idempotency-Key": key}

    async def send_and_kill(server: Any) -> Any:
        """Kill the server while some requests are answered, some run and some wait."""
        async with httpx.AsyncClient(timeout=30) as client:
            sending = [asyncio.ensure_future(client.post(url, json=POST | {"title": key}, headers=headers(key))) for key in keys]
            for done in asyncio.as_completed(sending):
                try:
                    answered.append((await done).status_code)
                except httpx.TransportError:
                    continue
                if len(answered) == 5:  # once: afterwards all requests fail
                    server.kill()

    answered: list[int] = []
    with serving(home, port) as (process, _):
        wait_until_up(port, process)
        asyncio.run(send_and_kill(process))
    assert set(answered) == {201}
    with serving(home, port) as (process, _):
        wait_until_up(port, process)
        retried = [httpx.post(url, json=POST | {"title": key}, headers=headers(key)) for key in keys]
        assert {answer.status_code for answer in retried} == {201}
        replayed = sum("idempotency-replayed" in answer.headers for answer in retried)
        assert replayed >= len(answered), "what was answered was kept"
        found = httpx.get(url, params={"limit": 100}).json()["items"]
    assert Counter(post["title"] for post in found) == dict.fromkeys(keys, 1)


async def test_other_request_with_the_same_key_is_refused(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada") | KEY
    made = await client.post("/api/v1/posts", json=POST, headers=ada)
    comments = f"/api/v1/posts/{made.json()['id']}/comments"
    for path, body in (("/api/v1/posts", POST | {"title": "Twice"}), (comments, POST), ("/api/v1/posts?x=1", POST)):
        answer = await client.post(path, json=body, headers=ada)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert await count(ctx, tables.posts) == 1


async def test_different_users_may_have_the_same_key(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    answers = [await client.post("/api/v1/posts", json=POST, headers=await bearer(name) | KEY) for name in ("ada", "bob")]
    assert [answer.json()["author"] for answer in answers] == ["ada", "bob"]
    assert await count(ctx, tables.posts) == 2


async def test_anonymous_keys_are_separate_by_address(client: httpx2.AsyncClient, ctx: Context) -> None:
    transport: Any = client._transport
    app = transport.app

    async def from_elsewhere(scope: ASGIScope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": ("192.0.2.7", 5000)}, receive, send)

    first = await client.post("/api/v1/users", json=ADA, headers=KEY)
    again = await client.post("/api/v1/users", json=ADA, headers=KEY)
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (201, 201, "true")
    transport.app = from_elsewhere
    assert (await client.post("/api/v1/users", json=ADA, headers=KEY)).status_code == 409
    assert await count(ctx, tables.users) == 1


async def test_key_does_not_authenticate(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada = await bearer("ada")
    assert (await client.post("/api/v1/posts", json=POST, headers=ada | KEY)).status_code == 201
    for wrong in ({}, {"Authorization": "Bearer nonsense"}):
        assert (await client.post("/api/v1/posts", json=POST, headers=wrong | KEY)).status_code == 401


async def test_token_without_the_scope_gets_no_stored_response(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada")
    assert (await client.post("/api/v1/posts", json=POST, headers=ada | KEY)).status_code == 201
    everything = {scope.value for scope in Scope} - {"admin"}
    made = await client.post(
        "/api/v1/tokens", json={"username": "ada", "password": PASSWORD, "scopes": sorted(everything - {"posts:write"})}
    )
    narrow = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await client.post("/api/v1/posts", json=POST, headers=narrow | KEY)).status_code == 403


async def test_error_responses_are_not_stored(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    reader = await bearer("bob", Role.READER)
    assert (await client.post("/api/v1/posts", json=POST, headers=reader | KEY)).status_code == 403
    assert (await client.post("/api/v1/posts", json={"title": ""}, headers=reader | KEY)).status_code == 422
    await ctx.db.execute(tables.users.update().values(role=Role.AUTHOR.value))
    made = await client.post("/api/v1/posts", json=POST, headers=reader | KEY)
    assert (made.status_code, "idempotency-replayed" in made.headers) == (201, False)


async def test_failed_request_is_rolled_back(settings: Settings, bearer: Bearer, ctx: Context) -> None:
    """A request is also undone if the endpoint returns an error response, and if it crashes."""
    users = tables.users.update().values(name="changed")

    class Failing(ApiEndpoint):
        async def post(self, request: Request) -> Response:
            async with request.state.app_state.site.db.transaction():
                await request.state.app_state.site.db.execute(users)
            return JSONResponse({}, 400)

    app = create_app(settings)
    app.router.routes.insert(0, Mount("/api/failing", routes=[Route("/", Failing)]))
    headers = await bearer("ada")
    async with running(app) as client:
        assert (await client.post("/api/failing/", headers=headers | KEY)).status_code == 400
        assert await ctx.db.fetch_val(sa.select(tables.users.c.name)) == "ada"
        assert (await client.post("/api/failing/", headers=headers)).status_code == 400
        assert await ctx.db.fetch_val(sa.select(tables.users.c.name)) == "changed", "without a key it is its own transaction"
    assert await count(ctx, tables.idempotency_keys) == 0


async def test_secret_is_not_stored_and_the_retry_says_so(client: httpx2.AsyncClient, settings: Settings, ctx: Context) -> None:
    await client.post("/api/v1/users", json=ADA)
    wanted = {"username": "ada", "password": PASSWORD}
    made = await client.post("/api/v1/tokens", json=wanted, headers=KEY)
    again = await client.post("/api/v1/tokens", json=wanted, headers=KEY)
    assert (made.status_code, again.status_code) == (201, 409)
    assert "secret" in again.json()["detail"]
    assert (await client.post("/api/v1/tokens", json=wanted | {"name": "other"}, headers=KEY)).status_code == 422
    assert await count(ctx, tables.api_tokens) == 1
    stored = await all_that_is_stored(settings)
    for secret in (PASSWORD, made.json()["token"].partition(".")[0]):
        assert secret.encode() not in stored


@pytest.mark.parametrize(("key", "status"), [("x" * 255, 201), ("x" * 256, 400), ("", 400), ("two words", 400), ("é", 400)])
async def test_key_is_visible_ascii(client: httpx2.AsyncClient, bearer: Bearer, key: str, status: int) -> None:
    headers = {name.encode(): value.encode() for name, value in (await bearer("ada") | {"Idempotency-Key": key}).items()}
    answer = await client.post("/api/v1/posts", json=POST, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] in ("application/json", "application/problem+json")


async def test_two_keys_are_refused(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = [*(await bearer("ada")).items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (await client.post("/api/v1/posts", json=POST, headers=headers)).status_code == 400


async def test_key_is_for_post_requests_only(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada")
    made = await client.post("/api/v1/posts", json=POST, headers=ada)
    path = f"/api/v1/posts/{made.json()['id']}"
    for title in ("One", "Two"):
        changed = await client.patch(path, json={"title": title}, headers=ada | KEY)
        assert changed.json()["title"] == title
    assert (await client.post("/api/v1/tags", headers=ada | KEY)).status_code == 405
    assert await count(ctx, tables.idempotency_keys) == 0


async def test_keys_expire_after_a_day(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada")
    for number in range(3):
        await client.post("/api/v1/posts", json=POST, headers=ada | {"Idempotency-Key": str(number)})
    aged = dt.datetime.now(dt.UTC) - idempotency.RETENTION + dt.timedelta(minutes=1)
    await ctx.db.execute(tables.idempotency_keys.update().values(created_at=aged))
    replayed = await client.post("/api/v1/posts", json=POST, headers=ada | {"Idempotency-Key": "0"})
    assert replayed.headers["idempotency-replayed"] == "true"
    await ctx.db.execute(tables.idempotency_keys.update().values(created_at=aged - dt.timedelta(minutes=2)))
    again = await client.post("/api/v1/posts", json=POST | {"title": "Another"}, headers=ada | {"Idempotency-Key": "0"})
    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)
    assert await count(ctx, tables.idempotency_keys) == 1


async def test_a_new_key_removes_a_limited_number_of_expired_keys(
    client: httpx2.AsyncClient, bearer: Bearer, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.framework.endpoints.idempotency._CLEANUP_BATCH", 2)
    ada = await bearer("ada")
    for number in range(5):
        await client.post("/api/v1/posts", json=POST, headers=ada | {"Idempotency-Key": str(number)})
    aged = dt.datetime.now(dt.UTC) - idempotency.RETENTION
    await ctx.db.execute(tables.idempotency_keys.update().values(created_at=aged))
    left = []
    for number in range(5, 8):
        await client.post("/api/v1/posts", json=POST, headers=ada | {"Idempotency-Key": str(number)})
        left.append(await count(ctx, tables.idempotency_keys))
    assert left == [4, 3, 3]


async def test_slow_client_does_not_block_other_requests(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada = await bearer("ada")
    begun, others_are_done = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"title": "Slow", '
        begun.set()
        await others_are_done.wait()
        yield b'"content": "x"}'

    headers = ada | KEY | {"Content-Type": "application/json"}
    slow = asyncio.ensure_future(client.post("/api/v1/posts", content=slowly(), headers=headers))
    await begun.wait()
    assert (await client.post("/api/v1/posts", json=POST, headers=ada)).status_code == 201
    others_are_done.set()
    assert (await slow).json()["title"] == "Slow"


async def test_locked_database_is_answered_with_503(settings: Settings, bearer: Bearer, ctx: Context) -> None:
    ada = await bearer("ada") | KEY
    async with running(create_app(settings.model_copy(update={"database_timeout": 0.5}))) as client:
        async with ctx.db.transaction():  # as another process
            await ctx.db.execute(tables.users.update().values(name="changed"))
            answer = await client.post("/api/v1/posts", json=POST, headers=ada)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert (await client.post("/api/v1/posts", json=POST, headers=ada)).status_code == 201


async def test_slow_work_runs_before_the_lock_and_not_for_a_replay(settings: Settings, bearer: Bearer) -> None:
    prepared: list[bytes] = []

    class Slow(ApiEndpoint):
        def body_limit(self, request: Request) -> int:
            return 5

        async def prepare(self, request: Request) -> None:
            db = request.state.app_state.site.db
            await asyncio.create_task(db.execute(tables.users.update().values(name="changed")))  # as somebody else
            prepared.append(await request.body())
            request.state.outcome = len(prepared)

        async def post(self, request: Request) -> Response:
            return JSONResponse([request.state.outcome, (await request.body()).decode()], 201)

    app = create_app(settings)
    app.router.routes.insert(0, Mount("/api/slow", app=Starlette(routes=[Route("/", Slow)], exception_handlers=HANDLERS)))
    headers = await bearer("ada") | KEY
    async with running(app) as client:
        answers = [await client.post("/api/slow/", content=body, headers=headers) for body in ("hello", "hello", "sixsix")]
    assert [answer.status_code for answer in answers] == [201, 201, 413]
    assert answers[0].json() == answers[1].json() == [1, "hello"]
    assert prepared == [b"hello"]


async def test_multipart_boundary_does_not_change_the_request(settings: Settings, bearer: Bearer) -> None:
    class Upload(ApiEndpoint):
        async def post(self, request: Request) -> Response:
            async with request.form() as form:
                file = form["file"]
                assert isinstance(file, UploadFile)
                return JSONResponse({"size": len(await file.read())}, 201)

    app = create_app(settings)
    app.router.routes.insert(0, Mount("/api/uploads", routes=[Route("/", Upload)]))
    headers = await bearer("ada") | KEY
    async with running(app) as client:
        answers = [
            await client.post("/api/uploads/", files={"file": ("a.png", content)}, headers=headers | {"Content-Type": kind})
            for content, kind in (
                (b"abc", "multipart/form-data; boundary=one"),
                (b"abc", 'multipart/form-data; boundary="the other"'),
                (b"xyz", "multipart/form-data; boundary=one"),
            )
        ]
    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert (answers[1].json(), answers[1].headers["idempotency-replayed"]) == ({"size": 3}, "true")


def test_every_post_route_of_the_api_accepts_a_key() -> None:
    with_post: list[Any] = [route.endpoint for route in routes if hasattr(route.endpoint, "post")]
    assert len(with_post) >= 5
    assert all(issubclass(endpoint, ApiEndpoint) for endpoint in with_post)
