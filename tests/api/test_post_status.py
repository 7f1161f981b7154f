"""The status of a post through POST, PUT and PATCH: each combination of `status` and `publish_at`."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import httpx2
import pytest

from blog.db import tables
from blog.domain.core.context import Context
from blog.schemas.posts import NewPost, PostChanges

STATUSES = ("absent", "draft", "published", "scheduled")
TIMES = ("absent", "null", "past", "future")
# The columns are TIMES. "422": refused, and nothing changes. "kept": still scheduled for the stored time.
CREATED: dict[str, tuple[str, ...]] = {
    "absent": ("published", "published", "422", "scheduled"),
    "draft": ("draft", "draft", "422", "422"),
    "published": ("published", "published", "422", "422"),
    "scheduled": ("422", "422", "422", "scheduled"),
}
CHANGED: dict[str, dict[str, tuple[str, ...]]] = {
    "draft": CREATED | {"absent": ("draft", "draft", "422", "scheduled")},
    "published": CREATED | {"absent": ("published", "published", "422", "422")},
    "scheduled": CREATED | {"absent": ("kept", "draft", "422", "scheduled"), "scheduled": ("kept", "422", "422", "scheduled")},
}


class Case(NamedTuple):
    """One request. `before`: the status of the stored post, empty for POST. `expected`: as in the tables."""

    method: str
    before: str
    status: str
    time: str
    expected: str


def cases() -> Iterator[Case]:
    for before, table in {"": CREATED, **CHANGED}.items():
        for status in STATUSES:
            for time, expected in zip(TIMES, table[status], strict=True):
                for method in ("PUT", "PATCH") if before else ("POST",):
                    # PUT replaces the post: with a status, an absent time means none.
                    replaces_time = method == "PUT" and (before, status, time) == ("scheduled", "scheduled", "absent")
                    yield Case(method, before, status, time, "422" if replaces_time else expected)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: " ".join(case[:4]))
async def test_status_follows_from_what_was_sent(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]], ctx: Context, case: Case
) -> None:
    headers = await bearer("ada")
    stored, past, future = (f"{ctx.now + dt.timedelta(days):%Y-%m-%dT%H:%M:%SZ}" for days in (3, -1, 7))
    path, before = "/api/v1/posts", None
    if case.before:
        new = {"title": "A", "content": "old", "status": case.before}
        made = await client.post(path, json=new | ({"publish_at": stored} if case.before == "scheduled" else {}), headers=headers)
        path, before = made.headers["location"], made.json()
    body: dict[str, Any] = {} if case.method == "PATCH" else {"title": "A", "content": "new"}
    if case.status != "absent":
        body["status"] = case.status
    if case.time != "absent":
        body["publish_at"] = {"null": None, "past": past, "future": future}[case.time]
    answer = await client.request(case.method, path, json=body, headers=headers)
    if case.expected == "422":
        assert answer.status_code == 422
        assert [error["loc"] for error in answer.json()["errors"]] == [["body", "publish_at"]]
        if before:
            assert (await client.get(path, headers=headers)).json() == before, "nothing changed"
        else:
            assert (await client.get(path, params={"status": "draft"}, headers=headers)).json()["items"] == []
        return
    assert answer.status_code == (201 if case.method == "POST" else 200)
    status, at = ("scheduled", stored) if case.expected == "kept" else (case.expected, future)
    assert (answer.json()["status"], answer.json()["publish_at"]) == (status, at if status == "scheduled" else None)
    seen = await client.get(answer.headers.get("location", path))
    assert seen.status_code == (200 if status == "published" else 404), "what a stranger sees"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_status_is_never_null(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]], method: str
) -> None:
    headers, path = await bearer("ada"), "/api/v1/posts"
    new = {"title": "A", "content": "x"}
    if method != "POST":
        path = (await client.post(path, json=new | {"status": "draft"}, headers=headers)).headers["location"]
    answer = await client.request(method, path, json=new | {"status": None}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "status"]


async def test_other_changes_leave_a_schedule_that_is_due(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]], ctx: Context
) -> None:
    headers = await bearer("ada")
    at = f"{ctx.now + dt.timedelta(seconds=90):%Y-%m-%dT%H:%M:%SZ}"
    new = {"title": "A", "content": "x", "publish_at": at}
    made = await client.post("/api/v1/posts", json=new, headers=headers)
    await ctx.db.execute(tables.posts.update().values(publish_at=ctx.now - dt.timedelta(1)))
    answer = await client.patch(made.headers["location"], json={"title": "B"}, headers=headers)
    assert (answer.status_code, answer.json()["title"], answer.json()["status"]) == (200, "B", "scheduled")


def test_document_says_what_an_absent_status_means() -> None:
    for model in (NewPost, PostChanges):
        members = model.model_json_schema()["properties"]
        assert all("default" not in member for member in members.values())
        assert "PUT and PATCH keep its status" in members["status"]["description"]


INVISIBLE = ["<!-- note -->", "[a]: http://x", "[^1]: x", "&#8203;", "&nbsp;", ">", "---", "<div></div>", "<style>a {}</style>"]
"""Markdown of which nothing is shown."""


@pytest.mark.parametrize("empty", ["", " \n\t", "\u200b\u3000", *INVISIBLE], ids=ascii)
async def test_empty_post_can_only_be_a_draft(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]], ctx: Context, empty: str
) -> None:
    headers = await bearer("ada")
    at = f"{ctx.now + dt.timedelta(7):%Y-%m-%dT%H:%M:%SZ}"
    path, post = "/api/v1/posts", {"title": "A", "content": empty}
    draft = await client.post(path, json=post | {"status": "draft"}, headers=headers)
    assert (draft.status_code, draft.json()["status"]) == (201, "draft")
    public = await client.post(path, json=post | {"content": "text"}, headers=headers)
    requests: list[tuple[str, str, dict[str, str]]] = [
        ("POST", path, post),
        ("POST", path, post | {"status": "published"}),
        ("POST", path, post | {"publish_at": at}),
        ("PUT", draft.headers["location"], post | {"status": "published"}),
        ("PATCH", draft.headers["location"], {"status": "published"}),
        ("PATCH", draft.headers["location"], {"publish_at": at}),
        ("PUT", public.headers["location"], post),
        ("PATCH", public.headers["location"], {"content": empty}),
    ]
    for method, url, body in requests:
        answer = await client.request(method, url, json=body, headers=headers)
        assert answer.status_code == 422, (method, body)
        assert [(error["loc"], error["type"]) for error in answer.json()["errors"]] == [(["body", "content"], "empty_post")]
    assert (await client.get(draft.headers["location"], headers=headers)).json() == draft.json()
    assert (await client.get(public.headers["location"])).json() == public.json()
    picture = {"content": "![](/media/a.png)"}
    for body in ({"title": "B"}, picture, {"content": empty, "status": "draft"}):
        assert (await client.patch(public.headers["location"], json=body, headers=headers)).status_code == 200
