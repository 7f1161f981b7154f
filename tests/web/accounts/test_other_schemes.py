"""Credentials of another scheme than Bearer, as browsers send them behind a reverse proxy that asks for a password."""

import httpx2
import pytest

from blog.schemas.accounts import Role
from tests.conftest import Bearer
from tests.live.test_endpoints import following
from tests.web.conftest import SignIn

BASIC = {"Authorization": "Basic c3RhZ2luZzpzZWNyZXQ="}


@pytest.mark.parametrize("other", ["Basic c3RhZ2luZzpzZWNyZXQ=", 'Digest username="staging"', "x", ""])
async def test_pages_ignore_other_schemes(client: httpx2.AsyncClient, sign_in: SignIn, other: str) -> None:
    headers = {"Authorization": other}
    for path in ("/", "/login", "/feed.atom", "/api/docs", "/api/openapi.json", "/archive"):
        assert (await client.get(path, headers=headers)).status_code == 200, path
    ada = await sign_in("ada", Role.READER)
    page = await client.get("/account", headers=headers | ada)
    assert page.status_code == 200
    assert "ada" in page.text
    assert (await client.get("/account", headers=headers)).headers["location"] == "/login?next=%2Faccount"
    assert (await client.post("/logout", headers=headers | ada)).status_code == 303


async def test_api_refuses_other_schemes_also_with_a_session(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    for headers in (BASIC, BASIC | await sign_in("ada")):
        response = await client.get("/api/v1/posts", headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_invalid_tokens_are_refused_by_pages_too(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    for token in ("Bearer none", "bearer none", "Bearer", "Bearer "):
        assert (await client.get("/", headers={"Authorization": token})).status_code == 401
    assert (await client.get("/account", headers=await bearer("ada"))).status_code == 200


async def test_websocket_ignores_other_schemes(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    for headers, user in ((BASIC, None), (BASIC | await sign_in("ada"), "ada")):
        async with following(client, headers=headers) as socket:
            assert socket.welcome["user"] == user
