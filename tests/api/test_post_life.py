"""The life of a post in the JSON API: every field, two authors, from a draft to the trash and back."""

from typing import Any

import httpx2

from blog.domain.posts.post_content import POST_FIELDS
from blog.schemas.accounts import Role
from tests.conftest import Bearer
from tests.support.pictures import png

DRAFT = {
    "title": "On looms",
    "content": "They *weave* patterns.",
    "tags": ["threads", "cards"],
    "authors": ["ada", "eve"],
    "slug": "looms",
    "status": "draft",
    "comments_open": False,
    "custom_excerpt": "Looms in short",
    "meta_title": "Looms explained",
    "meta_description": "All about looms",
    "canonical_url": "https://elsewhere.example/looms",
    "language": "pt-BR",
}
EDITED = {"featured": True, "published_at": "2020-02-29T12:00:00Z"}


class ApiUser:
    """Client of the API with the headers of one user; `etag` becomes `If-Match`."""

    def __init__(self, client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
        self._client, self.headers = client, headers

    async def send(self, method: str, path: str, body: Any = None, *, etag: str | None = None) -> httpx2.Response:
        condition = {"If-Match": etag} if etag else {}
        return await self._client.request(method, f"/api/v1{path}", json=body, headers=self.headers | condition)


def authors(post: dict[str, Any]) -> list[str]:
    return [author["username"] for author in post["authors"]]


async def test_life_of_a_post(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve = ApiUser(client, await bearer("ada", Role.AUTHOR)), ApiUser(client, await bearer("eve", Role.EDITOR))
    files = {"file": ("loom.png", png(600, 400), "image/png")}
    image = await client.post("/api/v1/media", files=files, headers=ada.headers)
    assert image.status_code == 201
    sent = DRAFT | {"feature_image": {"media_id": image.json()["id"], "alt": "A loom", "caption": "In Lyon"}}

    created = await ada.send("POST", "/posts", sent)
    assert created.status_code == 201
    post, path = created.json(), f"/posts/{created.json()['id']}"
    for name, value in DRAFT.items():
        assert (authors(post) if name == "authors" else post[name]) == value, name
    assert {"alt": "A loom", "caption": "In Lyon", "width": 600, "height": 400}.items() <= post["feature_image"].items()
    assert sent.keys() | EDITED.keys() | {"publish_at"} == {field.name for field in POST_FIELDS} | {"published_at"}
    assert (await client.get(f"/api/v1{path}")).status_code == 404, "strangers do not see a draft"

    scheduled = await ada.send("PATCH", path, {"publish_at": "2099-01-01T10:00:00Z"}, etag=created.headers["etag"])
    assert (scheduled.status_code, scheduled.json()["status"]) == (200, "scheduled")
    published = await ada.send("PATCH", path, {"status": "published"}, etag=scheduled.headers["etag"])
    assert (published.json()["status"], published.json()["publish_at"]) == ("published", None)

    assert (await ada.send("PATCH", path, {"featured": True})).status_code == 403, "only editors feature posts"
    stale = await eve.send("PATCH", path, EDITED, etag=created.headers["etag"])
    assert (stale.status_code, stale.headers["content-type"]) == (412, "application/problem+json")
    edited = await eve.send("PATCH", path, EDITED, etag=published.headers["etag"])
    assert EDITED.items() <= edited.json().items()
    assert edited.json() == (await client.get(f"/api/v1{path}")).json(), "what readers get"

    rewritten = await eve.send("PATCH", path, {"content": "They knit.", "authors": ["eve"]}, etag=edited.headers["etag"])
    assert authors(rewritten.json()) == ["eve"]
    assert (await ada.send("PATCH", path, {"title": "Mine"})).status_code == 403, "ada is no author any more"
    revisions = (await eve.send("GET", f"{path}/revisions")).json()["items"]
    assert [revision["version"] for revision in revisions] == [5, 4, 3, 2, 1]
    restored = await eve.send("POST", f"{path}/revisions/4/restore", etag=rewritten.headers["etag"])
    ignored = {"version", "updated_at"}
    assert {k: v for k, v in restored.json().items() if k not in ignored} == {
        k: v for k, v in edited.json().items() if k not in ignored
    }

    assert (await ada.send("DELETE", path)).status_code == 204
    assert (await client.get(f"/api/v1{path}")).status_code == 404
    [trashed] = (await ada.send("GET", "/posts?status=deleted")).json()["items"]
    assert trashed["title"] == "On looms"
    assert (await ada.send("POST", f"{path}/undelete")).status_code == 200
    assert (await client.get(f"/api/v1{path}")).json()["meta_title"] == "Looms explained"
