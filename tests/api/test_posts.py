"""Posts in the JSON API: fields, statuses, conditional requests and pagination."""

import asyncio
import base64
import datetime as dt
import json
import re
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pytest

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.posts.post_content import POST_FIELDS
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from blog.text.markdown import RENDERER_VERSION
from tests.conftest import Bearer


async def test_created_post_has_a_url_and_a_version(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    answer = await client.post(
        "/api/v1/posts",
        json={"title": "On Engines", "content": "It *weaves*.", "tags": ["Machines", "machines", "maths"]},
        headers=headers,
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/posts/{answer.json()['id']}"
    assert answer.headers["etag"].startswith(f'"1.0.{RENDERER_VERSION}.')
    body = answer.json()
    assert body["slug"] == "on-engines"
    assert body["url"] == "http://127.0.0.1:8000/posts/on-engines"
    assert body["html"] == "<p>It <em>weaves</em>.</p>\n"
    assert body["tags"] == ["Machines", "maths"]
    assert body["author"] == "ada"
    page = "http://127.0.0.1:8000/authors/ada"
    assert body["authors"] == [{"username": "ada", "name": "ada", "url": page, "avatar": None}]
    assert (body["status"], body["version"], body["comments"]) == ("published", 1, 0)
    assert body["published_at"].endswith("Z")
    assert set(body) == {
        "id", "url", "html", "excerpt", "author", "authors", "version", "created_at", "updated_at", "published_at", "comments",
        *(field.name for field in POST_FIELDS),
    }  # fmt: skip
    assert (await client.get(answer.headers["location"])).json() == body


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", ""), ("title", "   "), ("title", "x" * 301), ("title", "two\nlines"), ("title", "nul\x00"), ("title", None),
        ("title", 7), ("content", "bell\x07"), ("content", "é" * 524_289), ("content", None), ("tags", ["t"] * 0 + ["x" * 51]),
        ("tags", [str(n) for n in range(31)]), ("tags", ["a,b"]), ("tags", "one"), ("slug", "a/b"), ("slug", "../x"),
        ("slug", ""), ("status", "hidden"), ("publish_at", "yesterday"), ("publish_at", "2026-01-01T00:00:00"), ("colour", "red"),
        ("meta_title", "x" * 301), ("meta_description", "x" * 501),
        ("canonical_url", "/posts/a"), ("canonical_url", "javascript:alert(1)"), ("canonical_url", "https://ada:pass@a.example/"),
        ("canonical_url", "https://a.example/" + "x" * 2000), ("canonical_url", "https://a.example/" + "é" * 1000),
        ("canonical_url", "https://"), ("language", "english"), ("language", 7),
    ],
)  # fmt: skip
async def test_invalid_member_is_named_and_not_echoed(
    client: httpx2.AsyncClient, bearer: Bearer, member: str, value: Any
) -> None:
    body = {"title": "A title", "content": "Some text."} | {member: value}
    answer = await client.post("/api/v1/posts", json=body, headers=await bearer("ada"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert [error["loc"][:2] for error in problem["errors"]] == [["body", member]]
    assert all(set(error) == {"loc", "msg", "type"} for error in problem["errors"])
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert (await client.get("/api/v1/posts")).json()["items"] == []


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"title": NaN}', b"[" * 10_000, b"9" * 5_000, b'{"title": "\\ud800"}', b"\x00", b"Infinity"],
)
async def test_invalid_json_is_malformed(client: httpx2.AsyncClient, bearer: Bearer, body: bytes) -> None:
    headers = await bearer("ada") | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/posts", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["title"] == "Malformed request"


async def test_other_media_types_are_refused(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada") | {"Content-Type": "text/plain"}
    answer = await client.post("/api/v1/posts", content=b'{"title": "x", "content": "y"}', headers=headers)
    assert answer.status_code == 415


async def test_body_over_the_limit_is_refused_whether_declared_or_not(
    client: httpx2.AsyncClient, bearer: Bearer, settings: Settings
) -> None:
    headers = await bearer("ada") | {"Content-Type": "application/json"}
    large = b" " * (MAX_POST_BODY_BYTES + 1)

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    for content in (large, in_pieces()):
        answer = await client.post("/api/v1/posts", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


async def test_patch_keeps_absent_members(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "text", "tags": ["x"]}, headers=headers)
    path = made.headers["location"]
    changed = await client.patch(path, json={"title": "B"}, headers=headers)
    assert changed.status_code == 200
    assert (changed.json()["title"], changed.json()["content"], changed.json()["tags"]) == ("B", "text", ["x"])
    assert (changed.json()["version"], changed.json()["slug"]) == (2, "a")
    same = await client.patch(path, json={"title": "B"}, headers=headers)
    assert same.json()["version"] == 2, "what changes nothing makes no version"


async def test_put_replaces_all_but_the_slug(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "text", "tags": ["x"]}, headers=headers)
    path = made.headers["location"]
    replaced = await client.put(path, json={"title": "C", "content": "other"}, headers=headers)
    assert replaced.status_code == 200
    assert (replaced.json()["tags"], replaced.json()["slug"], replaced.json()["version"]) == ([], "a", 2)
    assert (await client.put(path, json={"title": "C"}, headers=headers)).status_code == 422


async def test_stale_write_is_refused_and_changes_nothing(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "text"}, headers=headers)
    path, tag = made.headers["location"], made.headers["etag"]
    assert (await client.patch(path, json={"title": "B"}, headers=headers | {"If-Match": tag})).status_code == 200
    for method, body in (("PATCH", {"title": "C"}), ("PUT", {"title": "C", "content": ""}), ("DELETE", None)):
        answer = await client.request(method, path, json=body, headers=headers | {"If-Match": tag})
        assert answer.status_code == 412
    assert (await client.get(path)).json()["title"] == "B"
    assert (await client.delete(path, headers=headers | {"If-Match": 'W/"2.0"'})).status_code == 412
    assert (await client.delete(path, headers=headers | {"If-Match": '"2.0"'})).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_parallel_writers_without_if_match_all_succeed(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "text"}, headers=headers)
    path, tag = made.headers["location"], made.headers["etag"]
    puts = [client.put(path, json={"title": f"T{n}", "content": f"text *{n}*"}, headers=headers) for n in range(40)]
    patches = [client.patch(path, json={"tags": [f"tag-{n}"]}, headers=headers) for n in range(20)]
    answers = await asyncio.gather(*puts, *patches)
    assert [answer.status_code for answer in answers] == [200] * 60
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 62)), "each is one version"
    for answer in answers:
        number = answer.json()["title"].removeprefix("T")
        assert number == "A" or f"<em>{number}</em>" in answer.json()["html"], "the HTML is that of the text"
    conditional = headers | {"If-Match": tag}
    stale = [client.put(path, json={"title": "C", "content": "c"}, headers=conditional) for _ in range(5)]
    assert [answer.status_code for answer in await asyncio.gather(*stale)] == [412] * 5


async def test_response_has_last_modified_and_server_timing(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=headers)
    written = dt.datetime.fromisoformat(made.json()["updated_at"])
    answer = await client.get(f"/api/v1/posts/{made.json()['id']}")
    assert parsedate_to_datetime(answer.headers["last-modified"]) == written.replace(microsecond=0)
    (database,) = re.findall(r"\bdb;dur=(\d+\.\d\d)", answer.headers["server-timing"])
    assert 0 < float(database) <= float(answer.headers["x-process-time"]) * 1000


async def test_etag_changes_with_the_representation_and_allows_304(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "text"}, headers=headers)
    path, tag = made.headers["location"], made.headers["etag"]
    unchanged = await client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    await client.post(f"{path}/comments", json={"content": "Yes."}, headers=headers)
    commented = await client.get(path, headers={"If-None-Match": tag})
    assert (commented.status_code, commented.json()["comments"]) == (200, 1)
    kept = await client.patch(path, json={"title": "B"}, headers=headers | {"If-Match": tag})
    assert kept.status_code == 200, "a comment does not make a writer's copy stale"


async def test_draft_is_hidden_from_anonymous_users(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve, ed = await bearer("ada"), await bearer("eve"), await bearer("edo", Role.EDITOR)
    made = await client.post("/api/v1/posts", json={"title": "Secret", "content": "x", "status": "draft"}, headers=ada)
    path = made.headers["location"]
    assert made.json()["published_at"] is None
    assert [(await client.get(path, headers=who)).status_code for who in ({}, eve, ada, ed)] == [404, 404, 200, 200]
    assert (await client.patch(path, json={"title": "x"}, headers=eve)).status_code == 404
    for listing in ("/api/v1/posts", "/api/v1/posts?q=secret", "/api/v1/posts?author=ada", "/api/v1/users/1/posts"):
        assert (await client.get(listing, headers=ada)).json()["items"] == [], listing
    assert (await client.get("/api/v1/posts?status=draft")).status_code == 401
    assert (await client.get("/api/v1/posts?status=draft", headers=eve)).json()["items"] == []
    own = await client.get("/api/v1/posts?status=draft", headers=ada)
    assert [item["title"] for item in own.json()["items"]] == ["Secret"]


async def test_only_authors_and_editors_can_edit_a_post(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve, reader, ed = (
        await bearer("ada"), await bearer("eve"), await bearer("rob", Role.READER), await bearer("edo", Role.EDITOR)
    )  # fmt: skip
    narrow = await bearer("nan", Role.AUTHOR, scopes=[Scope.COMMENTS_WRITE])
    new = {"title": "A", "content": "x"}
    statuses = [(await client.post("/api/v1/posts", json=new, headers=who)).status_code for who in ({}, reader, narrow)]
    assert statuses == [401, 403, 403]
    path = (await client.post("/api/v1/posts", json=new, headers=ada)).headers["location"]
    statuses = [(await client.patch(path, json={"title": "B"}, headers=who)).status_code for who in ({}, reader, eve, ed)]
    assert statuses == [401, 403, 403, 200]
    assert (await client.delete(path, headers=eve)).status_code == 403


async def test_unauthorised_responses_have_a_challenge(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/posts", json={}, headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await client.get("/api/v1/posts", headers={"Authorization": "Bearer x"})).status_code == 401, (
        "also where none is needed"
    )


async def test_pagination_neither_skips_nor_repeats(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    for number in range(7):
        await client.post("/api/v1/posts", json={"title": f"Post {number}", "content": "x"}, headers=headers)
    seen: list[str] = []
    url: str | None = "/api/v1/posts?limit=2"
    while url:
        answer = await client.get(url)
        page = answer.json()
        seen += [item["title"] for item in page["items"]]
        await client.post("/api/v1/posts", json={"title": f"New {len(seen)}", "content": "x"}, headers=headers)
        assert (page["next"] is not None) == ("link" in answer.headers)
        url = answer.links["next"]["url"] if page["next"] else None
    assert seen == [f"Post {number}" for number in reversed(range(7))]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "cursor=!", "cursor=bm9wZQ", "cursor=WyJ4IiwxXQ", "colour=red", "limit=1&limit=2",
     "status=x", "tag=", "q=%00"],
)  # fmt: skip
async def test_wrong_query_is_named(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/v1/posts?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][0] == "query"


@pytest.mark.sqlite
@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59+00:00x", "99999-01-01", "", "0000-00-00T00:00:00Z", "-1"])
async def test_cursor_with_an_invalid_timestamp_is_refused(client: httpx2.AsyncClient, instant: str) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([instant, 1]).encode()).decode().rstrip("=")
    answer = await client.get("/api/v1/posts", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "cursor"]


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_timestamp_outside_of_utc_range_is_refused(client: httpx2.AsyncClient, bearer: Bearer, instant: str) -> None:
    new = {"title": "A", "content": "x", "status": "scheduled", "publish_at": instant}
    answer = await client.post("/api/v1/posts", json=new, headers=await bearer("ada"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "publish_at"]


async def test_filters_are_combined(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve = await bearer("ada"), await bearer("eve")
    for headers, title, tags in ((ada, "Looms", ["craft"]), (ada, "Engines", ["maths"]), (eve, "Looms again", ["craft"])):
        await client.post("/api/v1/posts", json={"title": title, "content": "text", "tags": tags}, headers=headers)

    async def titles(query: str) -> list[str]:
        return [item["title"] for item in (await client.get(f"/api/v1/posts?{query}")).json()["items"]]

    assert await titles("tag=CRAFT") == ["Looms again", "Looms"]
    assert await titles("tag=craft&author=ada") == ["Looms"]
    assert await titles("q=loom") == ["Looms again", "Looms"], "the last word may be unfinished"
    assert await titles('q="looms again" OR NEAR(') == []
    assert await titles("author=nobody") == []


async def test_slugs_are_never_reused(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")

    async def write(**fields: str) -> httpx2.Response:
        return await client.post("/api/v1/posts", json={"title": "Same", "content": "x"} | fields, headers=headers)

    first, second = await write(), await write()
    assert [answer.json()["slug"] for answer in (first, second)] == ["same", "same-2"]
    taken = await write(slug="same")
    assert taken.status_code == 409
    assert taken.json()["errors"][0]["loc"] == ["body", "slug"]
    await client.patch(first.headers["location"], json={"slug": "renamed"}, headers=headers)
    assert (await write(slug="same")).status_code == 409, "an old slug still belongs to its post"
    back = await client.patch(first.headers["location"], json={"slug": "same"}, headers=headers)
    assert back.json()["slug"] == "same"


async def test_scheduled_post_needs_a_future_time(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    headers = await bearer("ada")
    new = {"title": "Soon", "content": "x", "status": "scheduled"}
    past, future = (ctx.now - dt.timedelta(1)).isoformat(), (ctx.now + dt.timedelta(1)).isoformat()
    for wrong in (new, new | {"publish_at": past}):
        answer = await client.post("/api/v1/posts", json=wrong, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"][-1] == "publish_at"
    made = await client.post("/api/v1/posts", json=new | {"publish_at": future}, headers=headers)
    assert (made.status_code, made.json()["status"]) == (201, "scheduled")
    assert (await client.get(made.headers["location"])).status_code == 404


async def test_every_version_is_stored_and_can_be_restored(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "One", "content": "first", "tags": ["a"]}, headers=headers)
    path = made.headers["location"]
    await client.patch(path, json={"title": "Two", "content": "second", "tags": []}, headers=headers)
    listed = (await client.get(f"{path}/revisions", headers=headers)).json()["items"]
    assert [(item["version"], item["title"], item["editor"]) for item in listed] == [(2, "Two", "ada"), (1, "One", "ada")]
    assert (await client.get(f"{path}/revisions/1", headers=headers)).json()["content"] == "first"
    restored = (await client.post(f"{path}/revisions/1/restore", headers=headers)).json()
    assert (restored["version"], restored["title"], restored["content"], restored["tags"]) == (3, "One", "first", ["a"])
    assert (await client.get(f"{path}/revisions/9", headers=headers)).status_code == 404
    assert (await client.get(f"{path}/revisions")).status_code == 401
    assert (await client.get(f"{path}/revisions", headers=await bearer("eve"))).status_code == 403


async def test_unknown_version_is_not_found(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "One", "content": "x"}, headers=headers)
    path = f"/api/v1/posts/{made.json()['id']}/revisions"
    for version in (2, 2**31, 10**18 - 1):
        assert (await client.get(f"{path}/{version}", headers=headers)).status_code == 404
        assert (await client.post(f"{path}/{version}/restore", headers=headers)).status_code == 404


@pytest.fixture
async def dated(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> dict[str, str]:
    """Create the posts 0 to 4, published on 1 to 5 May 2026, and return the headers of their author."""
    headers = await bearer("ada")
    for number in range(5):
        tags = ["all", f"of{number % 2}"]
        body = {"title": f"Post {number}", "content": "A loom.", "tags": tags}
        post = (await client.post("/api/v1/posts", json=body, headers=headers)).json()
        at = dt.datetime(2026, 5, 1 + number, tzinfo=dt.UTC)
        values = {"published_at": at, "updated_at": at + dt.timedelta(days=30 * (number % 2))}
        await ctx.db.execute(tables.posts.update().where(tables.posts.c.id == post["id"]).values(values))
    return headers


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", "43210"),
        ("sort=published_at", "01234"),
        ("sort=-updated_at", "31420"),
        ("tag=all&tag=OF1", "31"),
        ("slug=post-2", "2"),
        ("slug=post", ""),
        ("published_after=2026-05-02T00:00:00Z", "432"),
        ("published_before=2026-05-02T00:00:00Z", "0"),
        ("published_after=2026-05-01T23:00:00-01:00&published_before=2026-05-04T00:00:00Z&tag=all", "2"),
        ("updated_after=2026-05-05T00:00:00Z", "31"),
        ("updated_after=2026-05-05T00:00:00Z&q=loom&sort=published_at", "13"),
        ("tag=of0&sort=-updated_at&published_after=2026-05-01T00:00:00Z", "42"),
    ],
)
async def test_filters_and_orders(client: httpx2.AsyncClient, dated: dict[str, str], query: str, titles: str) -> None:
    found, path = "", f"/api/v1/posts?limit=2&count=true&{query}"
    while path:
        answer = await client.get(path)
        found += "".join(post["title"][-1] for post in answer.json()["items"])
        assert answer.json()["total"] == len(titles)
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert found == titles
    assert "total" not in (await client.get(f"/api/v1/posts?{query}")).json()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("published_after=2026-05-02", "published_after"),
        ("published_before=soon", "published_before"),
        ("published_after=2026-05-02T00:00:00Z&published_before=2026-05-02T00:00:00Z", "published_before"),
        ("status=draft&published_after=2026-05-02T00:00:00Z", "published_after"),
        ("status=deleted&published_before=2026-05-02T00:00:00Z", "published_before"),
        ("status=deleted&q=loom", "status"),
        ("sort=title", "sort"),
        ("count=perhaps", "count"),
        ("slug=a/b", "slug"),
        ("fields=id", "fields"),
    ],
)
async def test_contradictory_filter_is_named(client: httpx2.AsyncClient, bearer: Bearer, query: str, name: str) -> None:
    answer = await client.get(f"/api/v1/posts?{query}", headers=await bearer("ada"))
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [["query", name]]


async def test_cursor_belongs_to_its_filters_and_order(client: httpx2.AsyncClient, dated: dict[str, str]) -> None:
    cursor = (await client.get("/api/v1/posts?limit=2&tag=all")).json()["next"]
    assert (await client.get(f"/api/v1/posts?limit=1&count=true&tag=all&cursor={cursor}")).status_code == 200
    for query in ("", "tag=of1", "tag=all&sort=published_at", "tag=all&updated_after=2026-05-02T00:00:00Z"):
        answer = await client.get(f"/api/v1/posts?{query}&cursor={cursor}")
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "cursor"]), query


async def test_deleted_posts_are_listed_and_restored(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve, edo = await bearer("ada"), await bearer("eve"), await bearer("edo", Role.EDITOR)
    body = {"title": "Gone", "content": "x", "status": "draft"}
    path = (await client.post("/api/v1/posts", json=body, headers=ada)).headers["location"]
    await client.delete(path, headers=ada)

    async def trash(headers: dict[str, str]) -> list[str]:
        answer = await client.get("/api/v1/posts?status=deleted&count=true", headers=headers)
        assert answer.json()["total"] == len(answer.json()["items"])
        return [post["title"] for post in answer.json()["items"]]

    assert [await trash(headers) for headers in (ada, eve, edo)] == [["Gone"], [], ["Gone"]]
    assert (await client.get("/api/v1/posts?status=deleted")).status_code == 401
    assert (await client.post(f"{path}/undelete", headers=eve)).status_code == 404
    restored = await client.post(f"{path}/undelete", headers=edo)
    assert (restored.status_code, restored.json()["title"], restored.json()["status"]) == (200, "Gone", "draft")
    assert restored.headers["etag"] == (await client.get(path, headers=ada)).headers["etag"]
    assert (await client.post(f"{path}/undelete", headers=edo)).status_code == 404
    assert await trash(ada) == []
