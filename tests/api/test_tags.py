"""Tags in the JSON API."""

import httpx2

from blog.schemas.accounts import Role
from tests.conftest import Bearer


async def test_tag_is_renamed_described_and_merged(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, edo = await bearer("ada"), await bearer("edo", Role.EDITOR)
    body = {"title": "One", "content": "x", "tags": ["C#/C++", "web"]}
    post = await client.post("/api/v1/posts", json=body, headers=ada)
    path, before = post.headers["location"], post.headers["etag"]
    tag = {"name": "C#/C++", "slug": "C#/C++", "description": "", "image": None, "posts": 1}
    found = (await client.get("/api/v1/tags/c%23%2Fc%2B%2B")).json()
    assert found == tag | {"url": "http://127.0.0.1:8000/tags/C%23%2FC%2B%2B"}
    changes = {"name": "C family", "slug": "c-family", "description": "  C and more. ", "image": "/media/a.png"}
    changed = await client.patch("/api/v1/tags/c%23%2Fc%2B%2B", json=changes, headers=edo)
    renamed = {
        "name": "C family", "slug": "c-family", "url": "http://127.0.0.1:8000/tags/c-family", "description": "C and more.",
        "image": "http://127.0.0.1:8000/media/a.png", "posts": 1,
    }  # fmt: skip
    assert (changed.status_code, changed.json()) == (200, renamed)
    for address in ("c-family", "C%20family", "c%23%2Fc%2B%2B"):
        assert (await client.get(f"/api/v1/tags/{address}")).json() == renamed
    read = await client.get(path, headers={"If-None-Match": before})
    assert (read.status_code, read.json()["tags"], read.json()["version"]) == (200, ["C family", "web"], 1)
    assert (await client.put(path, json=body, headers=ada | {"If-Match": before})).json()["tags"] == ["C family", "web"]
    assert [tag["name"] for tag in (await client.get("/api/v1/tags")).json()] == ["C family", "web"]
    merged = await client.post("/api/v1/tags/c-family/merge", json={"into": "web"}, headers=edo)
    assert (merged.status_code, merged.json()["name"], merged.json()["posts"]) == (200, "web", 1)
    assert (await client.get("/api/v1/posts?tag=c+family")).json()["items"][0]["tags"] == ["web"]
    assert (await client.delete("/api/v1/tags/web", headers=edo)).status_code == 204
    assert (await client.get("/api/v1/tags/c-family")).status_code == 404


async def test_invalid_changes_are_named(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    edo = await bearer("edo", Role.EDITOR)
    body = {"title": "One", "content": "x", "tags": ["a", "b"]}
    await client.post("/api/v1/posts", json=body, headers=edo)
    for changes, status, name in [
        ({"name": "b"}, 409, "name"),
        ({"slug": "B"}, 409, "slug"),
        ({"name": ""}, 422, "name"),
        ({"image": "javascript:x"}, 422, "image"),
        ({"image": 7}, 422, "image"),
        ({"colour": "red"}, 422, "colour"),
    ]:
        answer = await client.patch("/api/v1/tags/a", json=changes, headers=edo)
        assert (answer.status_code, name in answer.json()["errors"][0]["loc"]) == (status, True), changes
    assert (await client.post("/api/v1/tags/a/merge", json={"into": "A"}, headers=edo)).status_code == 422
    assert (await client.get("/api/v1/tags/none")).status_code == 404


async def test_path_with_a_line_end_is_answered_by_the_api(client: httpx2.AsyncClient) -> None:
    for path in ("/api/v1/tags/%0A", "/api/v1/tags/a%0Ab", "/api/v1/%0A"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
