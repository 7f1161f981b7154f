"""Access that ends during a live connection: a lower role, an expired token or session."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from httpx2.websockets import AsyncWebSocketClient

from blog.app import Application
from blog.db import tables
from blog.domain.accounts import accounts, sessions, suspension
from blog.domain.core.context import Context
from blog.domain.site import feature_flags
from blog.realtime import Hub, Subscriber
from blog.realtime.backlog import Backlog
from blog.realtime.rendered_events import RenderedEvent
from blog.schemas.accounts import Role
from blog.schemas.feature_flags import Flag
from blog.schemas.members import CommentsOnSuspension
from tests.conftest import ORIGIN, Bearer
from tests.live.test_endpoints import LIVE, closed, following, receive, send, subscribed, write
from tests.support.live_server import Events, served
from tests.support.patience import seconds


async def test_demoted_editor_is_disconnected(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    async with following(client, headers=await bearer("edo", Role.EDITOR)) as socket, following(client) as anonymous:
        assert (await subscribed(socket, "moderation"))["type"] == "subscribed"
        await accounts.set_role(ctx, "edo", Role.READER)
        assert await closed(socket) == 4403
        await send(anonymous, type="ping")
        assert (await receive(anonymous))["type"] == "pong", "others stay connected"


async def test_suspended_user_is_disconnected_and_kept_out(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    headers = await bearer("rob", Role.READER)
    session_id = await sessions.start(ctx, accounts.as_actor(await accounts.by_username(ctx, "rob")), "a browser")
    cookie = {"Cookie": f"session={session_id}", "Origin": ORIGIN}
    async with following(client, headers=headers) as by_token, following(client, headers=cookie) as by_session:
        assert (by_token.welcome["user"], by_session.welcome["user"]) == ("rob", "rob")
        await suspension.suspend(ctx, "rob", CommentsOnSuspension.KEEP)
        with anyio.fail_after(seconds(1)):
            assert [await closed(by_token), await closed(by_session)] == [4401, 4401]
    assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 401
    async with AsyncWebSocketClient(client=client).connect(LIVE, subprotocols=["blog.live.v1"], headers=headers) as again:
        assert await closed(again) == 4401


async def test_suspended_user_stops_receiving_a_stream(app: Application, bearer: Bearer, ctx: Context) -> None:
    headers = await bearer("edo", Role.EDITOR)
    async with served(app) as (address, hub), httpx2.AsyncClient(base_url=f"http://{address}", headers=headers) as client:
        async with client.stream("GET", "/api/v1/events/stream", params={"channel": "moderation"}) as response:
            stream = Events(response)
            async with asyncio.timeout(seconds(10)):
                while not hub.subscriber_count:  # noqa: ASYNC110  # a set of the hub, which notifies nothing
                    await asyncio.sleep(0.01)
            await suspend(ctx)
            async with asyncio.timeout(seconds(1)):
                with pytest.raises(EOFError):
                    while True:
                        await stream.next()
        assert (await client.get("/api/v1/events/stream", params={"channel": "posts"})).status_code == 401


@pytest.mark.parametrize("credential", [tables.api_tokens, tables.sessions], ids=["token", "session"])
async def test_connection_ends_when_its_credential_expires(
    client: httpx2.AsyncClient, bearer: Bearer, ctx: Context, credential: sa.Table
) -> None:
    headers = await bearer("ada")
    if credential is tables.sessions:
        session_id = await sessions.start(ctx, accounts.as_actor(await accounts.by_username(ctx, "ada")), "a browser")
        headers = {"Cookie": f"session={session_id}", "Origin": ORIGIN}
    async with following(client, headers=headers) as socket:
        assert socket.welcome["user"] == "ada"
        await ctx.db.execute(credential.update().values(expires_at=ctx.now - dt.timedelta(seconds=1)))
        assert await closed(socket) == 4401


async def revoke(ctx: Context) -> None:
    await ctx.db.execute(tables.api_tokens.update().values(revoked_at=ctx.now))


async def demote(ctx: Context) -> None:
    await accounts.set_role(ctx, "edo", Role.READER)


async def suspend(ctx: Context) -> None:
    await suspension.suspend(ctx, "edo", CommentsOnSuspension.KEEP)


async def turn_off(ctx: Context) -> None:
    await feature_flags.store(ctx, Flag.LIVE, False)


@pytest.mark.parametrize(("change", "status"), [(revoke, 401), (suspend, 401), (demote, 403), (turn_off, 403)])
async def test_waiting_poll_answers_that_access_has_ended(
    app: Application, bearer: Bearer, ctx: Context, change: Callable[[Context], Awaitable[None]], status: int
) -> None:
    headers = await bearer("edo", Role.EDITOR)
    async with served(app) as (address, hub), httpx2.AsyncClient(base_url=f"http://{address}", headers=headers) as client:
        poll = asyncio.create_task(client.get("/api/v1/events", params={"channel": "moderation", "wait": 20}))
        async with asyncio.timeout(seconds(10)):
            while not hub.subscriber_count:  # noqa: ASYNC110  # a set of the hub, which notifies nothing
                await asyncio.sleep(0.01)
            await change(ctx)
            response = await poll
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert ("www-authenticate" in response.headers) == (status == 401)


async def test_stream_stops_its_replay_when_access_ends(
    app: Application, bearer: Bearer, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, rendered_after_close = Backlog.missed_events, 0

    async def repeat_without_end(backlog: Backlog) -> AsyncIterator[tuple[RenderedEvent, Sequence[str]]]:
        nonlocal rendered_after_close
        async for event in find(backlog):
            while True:
                yield event
                await asyncio.sleep(0.01)
                rendered_after_close += any(one.close_reason for one in hub._subscribers if isinstance(one, Subscriber))

    monkeypatch.setattr(Backlog, "missed_events", repeat_without_end)
    headers = await bearer("edo", Role.EDITOR)
    async with served(app) as (address, hub), httpx2.AsyncClient(base_url=f"http://{address}", headers=headers) as client:
        await write(client, headers)
        query = {"channel": "posts", "after": "earliest"}
        async with client.stream("GET", "/api/v1/events/stream", params=query) as response:
            stream = Events(response)
            await stream.next()
            await revoke(ctx)
            with pytest.raises(EOFError):
                while True:
                    await stream.next()
        assert rendered_after_close <= 1
        assert (await client.get("/api/v1/events/stream", params=query)).status_code == 401


async def test_stream_does_not_start_if_access_ends_before(
    app: Application, bearer: Bearer, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_backlog = Backlog.open

    async def close_first(hub: Hub, *arguments: Any) -> Backlog:
        for subscriber in tuple(hub._subscribers):
            subscriber.close_forbidden()
        return await open_backlog(hub, *arguments)

    monkeypatch.setattr(Backlog, "open", close_first)
    async with served(app) as (address, _), httpx2.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.get("/api/v1/events/stream", params={"channel": "posts"})).status_code == 403


async def test_author_and_tag_channels_ignore_case(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("Ada")
    async with following(client) as socket:
        assert (await subscribed(socket, "author:aDA"))["channels"] == ["author:ada"]
        assert (await subscribed(socket, "tag:PYTHON", id="b"))["channels"] == ["tag:python"]
        await write(client, headers, tags=["Python"])
        assert sorted((await receive(socket))["channels"]) == ["author:ada", "tag:python"]
