"""One-time keys of forms: a form that is sent twice creates one item."""

import asyncio
import datetime as dt
import re
from typing import Any, NamedTuple

import httpx2
import pytest
import sqlalchemy as sa

from blog.app import create_app
from blog.db import tables
from blog.domain.core.context import Context
from blog.framework.endpoints import idempotency
from blog.schemas.accounts import Role
from blog.settings import Settings
from tests.conftest import running
from tests.web.conftest import SignIn, Write
from tests.web.test_forms import NEW, value


class Creation(NamedTuple):
    """A form: its page, where it is sent, its fields, a change of one of them, and the table that grows."""

    page: str
    path: str
    fields: dict[str, str]
    change: dict[str, str]
    table: sa.Table


TITLE, TEXT, DAYS = {"title": "Another"}, {"content": "Another."}, {"days": "8"}
FORMS = {
    "post": Creation("/write", "/write", NEW, TITLE, tables.posts),
    "draft": Creation("/write", "/write", NEW | {"status": "draft"}, TITLE, tables.posts),
    "comment": Creation("/posts/first", "/posts/first/comments", {"content": "Well said."}, TEXT, tables.comments),
    "reply": Creation("/comments/1/reply", "/comments/1/reply", {"content": "Well said."}, TEXT, tables.comments),
    "page": Creation(
        "/admin/pages/new", "/admin/pages/new", {"title": "About", "slug": "", "content": "x"}, TITLE, tables.static_pages
    ),
    "preview link": Creation(
        "/posts/second/previews", "/posts/second/previews", {"lifetime": "7 days"}, {"lifetime": "1 day"}, tables.preview_links
    ),
    "invitation": Creation(
        "/admin/invitations", "/admin/invitations", {"role": "author", "days": "7", "note": ""}, DAYS, tables.invitations
    ),
    "token": Creation(
        "/account/tokens", "/account/tokens", {"name": "x", "days": "7", "scope-posts:write": "on"}, DAYS, tables.api_tokens
    ),
}
each_form = pytest.mark.parametrize("name", FORMS)


async def count(ctx: Context, table: sa.Table) -> int:
    rows: int = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(table))
    return rows


def key_of(page: str, path: str) -> str:
    """Return the key in the form that is sent to a path."""
    forms = [form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'action="{path}"' in form]
    return value(next(form for form in forms if 'name="form_key"' in form), "form_key")


@pytest.fixture
async def owner(client: httpx2.AsyncClient, write: Write, sign_in: SignIn, served: dict[str, str]) -> dict[str, str]:
    """Return the headers of an owner of a blog with a post, a draft and a comment."""
    headers = await sign_in("own", Role.OWNER)
    await write("First")
    await write("Second", status="draft")
    await client.post("/posts/first/comments", data=served | {"content": "Opening words."}, headers=headers)
    return headers


@each_form
async def test_repeat_is_redirected_to_the_first_result(
    client: httpx2.AsyncClient, ctx: Context, owner: dict[str, str], name: str
) -> None:
    page, path, fields, _, table = FORMS[name]
    before = await count(ctx, table)
    sent = fields | {"form_key": key_of((await client.get(page, headers=owner)).text, path)}
    first = await client.post(path, data=sent, headers=owner)
    again = await client.post(path, data=sent, headers=owner)
    assert (first.status_code, again.status_code) == (201 if name == "token" else 303, 303)
    assert again.headers["location"] == first.headers.get("location", path)
    assert await count(ctx, table) == before + 1


@pytest.mark.parametrize("name", sorted(FORMS.keys() - {"page"}))  # another page has another title
async def test_equal_text_in_a_new_form_is_a_new_item(
    client: httpx2.AsyncClient, ctx: Context, owner: dict[str, str], name: str
) -> None:
    page, path, fields, _, table = FORMS[name]
    before = await count(ctx, table)
    keys = [key_of((await client.get(page, headers=owner)).text, path) for _ in range(2)]
    assert len(set(keys)) == 2
    for key in keys:
        answer = await client.post(path, data=fields | {"form_key": key}, headers=owner)
        assert answer.status_code in (201, 303)
    assert await count(ctx, table) == before + 2


@each_form
async def test_other_text_under_the_same_key_is_a_new_item(
    client: httpx2.AsyncClient, ctx: Context, owner: dict[str, str], name: str
) -> None:
    """The browser's "Back" shows the form with its old key."""
    page, path, fields, change, table = FORMS[name]
    before = await count(ctx, table)
    sent = fields | {"form_key": key_of((await client.get(page, headers=owner)).text, path)}
    for form in (sent, sent | change):
        assert (await client.post(path, data=form, headers=owner)).status_code in (201, 303)
    assert await count(ctx, table) == before + 2


@pytest.mark.parametrize("key", [None, "", "short", "x" * 65, "no spaces allowed here", "é" * 20])
async def test_form_without_a_valid_key_is_always_new(
    client: httpx2.AsyncClient, ctx: Context, owner: dict[str, str], key: str | None
) -> None:
    sent = {"content": "Well said."} | ({} if key is None else {"form_key": key})
    before = await count(ctx, tables.comments)
    for _ in range(2):
        assert (await client.post("/posts/first/comments", data=sent, headers=owner)).status_code == 303
    assert await count(ctx, tables.comments) == before + 2
    keys = await ctx.db.fetch_all(sa.select(tables.idempotency_keys))
    assert keys == []


async def test_invalid_form_keeps_its_key_and_uses_it_up_when_it_succeeds(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn
) -> None:
    ada = await sign_in("ada")
    key = key_of((await client.get("/write", headers=ada)).text, "/write")
    wrong = await client.post("/write", data=NEW | {"form_key": key, "title": ""}, headers=ada)
    assert (wrong.status_code, key_of(wrong.text, "/write")) == (422, key)
    for _ in range(2):
        answer = await client.post("/write", data=NEW | {"form_key": key}, headers=ada)
        assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines")
    assert await count(ctx, tables.posts) == 1


async def test_key_of_one_person_is_not_that_of_another(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    sent = NEW | {"form_key": "k" * 20}
    for name in ("ada", "bob"):
        assert (await client.post("/write", data=sent, headers=await sign_in(name))).status_code == 303
    assert await count(ctx, tables.posts) == 2


async def test_key_is_valid_for_a_day(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ada, sent = await sign_in("ada"), NEW | {"form_key": "k" * 20}
    for age, posts in ((dt.timedelta(), 1), (idempotency.RETENTION - dt.timedelta(minutes=1), 1), (idempotency.RETENTION, 2)):
        await ctx.db.execute(tables.idempotency_keys.update().values(created_at=ctx.now - age))
        assert (await client.post("/write", data=sent, headers=ada)).status_code == 303
        assert await count(ctx, tables.posts) == posts, age


async def test_two_workers_create_one_post(settings: Settings, ctx: Context, sign_in: SignIn) -> None:
    ada, sent = await sign_in("ada"), NEW | {"form_key": "k" * 20}
    async with running(create_app(settings)) as one, running(create_app(settings)) as other:
        answers = await asyncio.gather(
            *(worker.post("/write", data=sent, headers=ada) for _ in range(5) for worker in (one, other))
        )
    assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {(303, "/posts/on-engines")}
    assert await count(ctx, tables.posts) == 1


async def test_repeated_edit_is_no_conflict(client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn) -> None:
    await write("On engines")
    eve: dict[str, Any] = await sign_in("eve", Role.EDITOR)
    path = "/posts/on-engines/edit"
    form = (await client.get(path, headers=eve)).text
    sent = {name: value(form, name) for name in ("title", "tags", "slug", "version", "form_key", "status")}
    for _ in range(2):
        answer = await client.post(path, data=sent | {"content": "New."}, headers=eve)
        assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines")
    assert await count(ctx, tables.revisions) == 2


async def test_stored_result_holds_no_text_and_no_secret(client: httpx2.AsyncClient, ctx: Context, owner: dict[str, str]) -> None:
    sent = FORMS["token"].fields | {"form_key": "k" * 20}
    assert (await client.post("/account/tokens", data=sent, headers=owner)).status_code == 201
    row = (await ctx.db.fetch_all(sa.select(tables.idempotency_keys)))[-1]
    assert (row["status"], row["body"]) == (303, b"")
    assert dict(row["headers"])["location"] == "/account/tokens"
    assert "set-cookie" not in dict(row["headers"])
