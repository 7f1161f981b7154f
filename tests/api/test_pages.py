"""The static pages of the API."""

from typing import Any

import httpx2
import pytest

from blog.domain.accounts import accounts, tokens
from blog.domain.core.context import Context
from blog.schemas.accounts import Role, Scope
from tests.conftest import MakeUser

PATH = "/api/v1/pages"
ABOUT = {"title": "About us", "content": "We *weave*."}


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> dict[str, str]:
    """Return the headers of an owner."""
    ora = accounts.as_actor(await make_user("ora", Role.OWNER))
    issued = await tokens.issue(ctx, ora, name="test", scopes=[Scope.ADMIN])
    return {"Authorization": f"Bearer {issued.value}"}


async def create(client: httpx2.AsyncClient, owner: dict[str, str], **members: Any) -> Any:
    answer = await client.post(PATH, json=ABOUT | members, headers=owner)
    assert answer.status_code == 201
    return answer.json()


async def test_page_is_created_published_replaced_and_deleted(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    made = await client.post(PATH, json=ABOUT | {"status": "draft"}, headers=owner)
    page, path = made.json(), made.headers["location"]
    assert (page["slug"], page["status"], page["version"]) == ("about-us", "draft", 1)
    assert page["url"] == "http://127.0.0.1:8000/about-us"
    assert page["html"] == "<p>We <em>weave</em>.</p>\n"
    assert [(await client.get(place)).status_code for place in (path, "/about-us")] == [404, 404]
    published = await client.patch(path, json={"status": "published"}, headers=owner | {"If-Match": made.headers["etag"]})
    assert (published.json()["content"], published.json()["version"]) == ("We *weave*.", 2)
    assert [(await client.get(place)).status_code for place in (path, "/about-us")] == [200, 200]
    stale = await client.patch(path, json={"title": "B"}, headers=owner | {"If-Match": made.headers["etag"]})
    assert stale.status_code == 412
    replaced = await client.put(path, json={"title": "Us", "content": "New."}, headers=owner)
    assert [replaced.json()[name] for name in ("title", "slug", "status")] == ["Us", "about-us", "published"]
    fresh = await client.get(path, headers={"If-None-Match": replaced.headers["etag"]})
    assert (fresh.status_code, fresh.content) == (304, b"")
    assert (await client.delete(path, headers=owner | {"If-Match": made.headers["etag"]})).status_code == 412
    assert (await client.delete(path, headers=owner)).status_code == 204
    assert (await client.delete(path, headers=owner)).status_code == 404


async def test_list_has_all_pages_once_and_drafts_for_owners_alone(client: httpx2.AsyncClient, owner: dict[str, str]) -> None:
    statuses = ("published", "draft", "published", "published")
    made = [await create(client, owner, slug=f"page-{number}", status=status) for number, status in enumerate(statuses)]
    seen, address = [], f"{PATH}?limit=2"
    while address:
        answer = await client.get(address)
        seen += [item["slug"] for item in answer.json()["items"]]
        address = answer.links["next"]["url"].removeprefix("http://127.0.0.1:8000") if "next" in answer.links else ""
    assert seen == ["page-0", "page-2", "page-3"]
    assert (await client.get(PATH, headers=owner)).json() == {"items": made, "next": None}


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"slug": "archive"}, 409, "slug"),
        ({"slug": "taken"}, 409, "slug"),
        ({"content": " "}, 422, "content"),
        ({"slug": None}, 422, "slug"),
        ({"status": "scheduled"}, 422, "status"),
    ],
)
async def test_refused_changes_name_the_field(
    client: httpx2.AsyncClient, owner: dict[str, str], changes: dict[str, Any], status: int, field: str
) -> None:
    await create(client, owner, slug="taken")
    page = await create(client, owner, slug="mine")
    answer = await client.patch(f"{PATH}/{page['id']}", json=changes, headers=owner)
    assert (answer.status_code, answer.json()["errors"][0]["loc"][-1]) == (status, field)
    assert (await client.get(f"{PATH}/{page['id']}")).json() == page
