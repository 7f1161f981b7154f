"""Authentication runs `dispatch` of `BaseHTTPMiddleware` only to renew the cookie of a session."""

import datetime as dt

import httpx2
import pytest
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from blog.db import tables
from blog.domain.core.context import Context
from blog.middleware.authentication import AuthenticationMiddleware
from tests.conftest import Bearer
from tests.web.conftest import SignIn


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the paths of the requests for which `dispatch` runs. Before `client`: the application binds the method."""
    paths, dispatch = list[str](), AuthenticationMiddleware.dispatch

    async def collect(self: AuthenticationMiddleware, request: Request, call_next: RequestResponseEndpoint) -> Response:
        paths.append(request.url.path)
        return await dispatch(self, request, call_next)

    monkeypatch.setattr(AuthenticationMiddleware, "dispatch", collect)
    return paths


async def test_token_needs_no_dispatch(dispatched: list[str], client: httpx2.AsyncClient, bearer: Bearer) -> None:
    response = await client.get("/api/v1/posts", headers=await bearer("ada"))
    assert response.headers["cache-control"] == "private, no-cache"
    assert {"authorization", "cookie"} <= {name.strip().lower() for name in response.headers["vary"].split(",")}
    assert dispatched == []


async def test_dispatch_renews_a_session(
    dispatched: list[str], client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn
) -> None:
    ada = await sign_in("ada")
    assert "set-cookie" not in (await client.get("/", headers=ada)).headers
    assert dispatched == []
    await ctx.db.execute(tables.sessions.update().values(last_seen_at=ctx.now - dt.timedelta(days=3)))
    renewed = await client.get("/", headers=ada)
    assert "session=" in renewed.headers["set-cookie"]
    assert renewed.headers["cache-control"] == "private, no-cache"
    assert dispatched == ["/"]
