"""Access that ends during a live connection: a lower role, an expired token."""

import datetime as dt

import httpx2

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from tests.conftest import Bearer
from tests.live.test_endpoints import closed, following, hear, say, subscribed, write


async def test_demoted_editor_is_disconnected(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    async with following(client, headers=await bearer("edo", Role.EDITOR)) as socket, following(client) as anonymous:
        assert (await subscribed(socket, "moderation"))["type"] == "subscribed"
        await accounts.set_role(ctx, "edo", Role.READER)
        assert await closed(socket) == 4403
        await say(anonymous, type="ping")
        assert (await hear(anonymous))["type"] == "pong", "others stay connected"


async def test_connection_ends_when_its_token_expires(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    async with following(client, headers=await bearer("ada")) as socket:
        assert socket.welcome["user"] == "ada"
        await ctx.db.execute(tables.api_tokens.update().values(expires_at=ctx.now - dt.timedelta(seconds=1)))
        assert await closed(socket) == 4401


async def test_author_and_tag_channels_ignore_case(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("Ada")
    async with following(client) as socket:
        assert (await subscribed(socket, "author:aDA"))["channels"] == ["author:ada"]
        assert (await subscribed(socket, "tag:PYTHON", id="b"))["channels"] == ["tag:python"]
        await write(client, headers, tags=["Python"])
        assert sorted((await hear(socket))["channels"]) == ["author:ada", "tag:python"]
