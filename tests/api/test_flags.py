"""Feature flags: permissions, effects, and propagation to other workers."""

from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from httpx2.websockets import WebSocketDisconnect

from blog.app import create_app
from blog.domain.core.runtime_settings import REFRESH_SECONDS
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from tests.conftest import PASSWORD, Bearer, running
from tests.live.test_endpoints import closed, following
from tests.support.pictures import png

NAMES = ["registration", "comments", "live", "uploads"]
NEWCOMER = {"username": "newcomer", "email": "new@example.org", "password": PASSWORD}


@pytest.fixture
async def owner(bearer: Bearer) -> dict[str, str]:
    return await bearer("ora", Role.OWNER, scopes=list(Scope))


async def switch(client: httpx2.AsyncClient, owner: dict[str, str], name: str, enabled: bool) -> Any:
    answer = await client.put(f"/api/v1/flags/{name}", json={"enabled": enabled}, headers=owner)
    assert answer.status_code == 200
    return answer.json()


async def test_flags_default_to_the_settings(settings: Settings, owner: dict[str, str]) -> None:
    async with running(create_app(settings.model_copy(update={"uploads": False}))) as client:
        found = (await client.get("/api/v1/flags", headers=owner)).json()
    assert [flag["name"] for flag in found] == NAMES
    assert found[3] == {"name": "uploads", "enabled": False, "default": False, "updated_at": None}
    assert all(flag["enabled"] for flag in found[:3])


async def test_changed_flag_has_its_time_and_survives_a_restart(settings: Settings, owner: dict[str, str]) -> None:
    async with running(create_app(settings)) as client:
        changed = await switch(client, owner, "comments", False)
        assert (changed["enabled"], changed["default"]) == (False, True)
        assert changed["updated_at"] is not None
    async with running(create_app(settings)) as client:
        assert (await client.get("/api/v1/flags", headers=owner)).json()[1] == changed


@pytest.mark.parametrize("body", [{}, {"enabled": None}, {"enabled": "perhaps"}, {"enabled": True, "more": 1}])
async def test_invalid_flag_state_is_refused(client: httpx2.AsyncClient, owner: dict[str, str], body: Any) -> None:
    answer = await client.put("/api/v1/flags/live", json=body, headers=owner)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][0] == "body"


async def test_unknown_flag_is_not_found(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    assert (await client.put("/api/v1/flags/gravity", json={"enabled": False}, headers=owner)).status_code == 404


async def test_disabled_registration_is_for_owners_only(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    await switch(client, owner, "registration", False)
    assert (await client.post("/api/v1/users", json=NEWCOMER)).status_code == 403
    assert (await client.get("/register")).status_code == 403
    assert "/register" not in (await client.get("/")).text
    assert (await client.post("/api/v1/users", json=NEWCOMER, headers=owner)).status_code == 201
    await switch(client, owner, "registration", True)
    assert (await client.get("/register")).status_code == 200


async def test_disabled_comments_can_still_be_read(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    post = (await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=owner)).json()
    comments = f"/api/v1/posts/{post['id']}/comments"
    assert (await client.post(comments, json={"content": "Yes."}, headers=owner)).status_code == 201
    await switch(client, owner, "comments", False)
    assert (await client.post(comments, json={"content": "No."}, headers=owner)).status_code == 403
    assert [item["content"] for item in (await client.get(comments)).json()["items"]] == ["Yes."]
    page = (await client.get(f"/posts/{post['slug']}")).text
    assert "Comments are closed." in page
    assert "Yes." in page
    assert "<textarea" not in page


async def test_disabled_uploads_are_refused_even_for_owners(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    await switch(client, owner, "uploads", False)
    answer = await client.post("/api/v1/media", files={"file": png(1, 1)}, headers=owner)
    assert (answer.status_code, answer.json()["detail"]) == (403, "Uploads are turned off")


async def test_disabled_live_updates_close_and_refuse_connections(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    assert 'name="live-url"' in (await client.get("/")).text
    async with following(client) as socket:
        await switch(client, owner, "live", False)
        assert await closed(socket) == 1013
    with pytest.raises(WebSocketDisconnect):  # before the handshake
        async with following(client):
            pass
    assert 'name="live-url"' not in (await client.get("/")).text


async def test_other_workers_apply_a_flag_within_a_second(settings: Settings, owner: dict[str, str]) -> None:
    async with running(create_app(settings)) as here, running(create_app(settings)) as there:
        await switch(here, owner, "registration", False)
        with anyio.fail_after(2 * REFRESH_SECONDS):
            while (await there.get("/register")).status_code != 403:
                await anyio.lowlevel.checkpoint()  # the page waits for nothing: all else would stand still
