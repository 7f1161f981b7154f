"""Titles, names, tags and comments at every interface: one spelling, at least one visible character, any address of it."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.posts import tags
from blog.schemas.accounts import Role
from tests.conftest import PASSWORD
from tests.text.test_normalisation import INVISIBLE
from tests.web.conftest import SignIn, Write

Bearer = Callable[..., Awaitable[dict[str, str]]]
BLANK = [text for text in INVISIBLE if text.strip()]
ALIKE = [
    "Caf\u00e9 noir",
    "cafe\u0301 noir",
    "Caf\u00e9\u00a0noir",
    "Caf\u00e9  noir",
    "Caf\u00e9\u200b noir",
    "Ca\u00adf\u00e9 noir",
]


@pytest.mark.parametrize("blank", BLANK, ids=ascii)
async def test_api_refuses_invisible_names(client: httpx2.AsyncClient, bearer: Bearer, blank: str) -> None:
    ada = await bearer("ada", Role.OWNER)
    await client.post("/api/v1/posts", json={"title": "On engines", "content": "x"}, headers=ada)
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "posts", {"title": blank, "content": "x"}),
        ("POST", "posts", {"title": "x", "content": "x", "tags": [blank]}),
        ("PATCH", "posts/1", {"title": blank}),
        ("POST", "posts/1/comments", {"content": blank}),
        ("PATCH", "users/me", {"name": blank}),
        ("POST", "tokens", {"username": "ada", "password": PASSWORD, "name": blank}),
    ]
    answers = [await client.request(method, f"/api/v1/{path}", json=body, headers=ada) for method, path, body in requests]
    assert [answer.status_code for answer in answers] == [422] * len(requests)


@pytest.mark.parametrize("content", ["> ", "- ", "[a]: https://example.org/", "&ZeroWidthSpace;", "[](https://example.org/)"])
async def test_comment_without_visible_text_after_rendering_is_refused(
    client: httpx2.AsyncClient, bearer: Bearer, content: str
) -> None:
    ada = await bearer("ada")
    await client.post("/api/v1/posts", json={"title": "On engines", "content": "x"}, headers=ada)
    answer = await client.post("/api/v1/posts/1/comments", json={"content": content}, headers=ada)
    assert answer.status_code == 422
    made = await client.post("/api/v1/posts/1/comments", json={"content": "x"}, headers=ada)
    assert (await client.patch(made.headers["location"], json={"content": content}, headers=ada)).status_code == 422
    assert (await client.patch(made.headers["location"], json={"status": "removed"}, headers=ada)).status_code == 200


@pytest.mark.parametrize("blank", BLANK, ids=ascii)
async def test_forms_refuse_invisible_names(
    client: httpx2.AsyncClient, sign_in: SignIn, write: Write, served: dict[str, str], blank: str
) -> None:
    await write("On engines")
    bob = await sign_in("bob", Role.OWNER)
    forms = [
        ("/write", {"title": blank, "content": "x", "status": "draft"}, "title"),
        ("/posts/on-engines/comments", {"content": blank} | served, "content"),
        ("/account", {"name": blank, "bio": "", "age": ""}, "name"),
        ("/account/tokens", {"name": blank, "scopes": "account", "days": "3"}, "name"),
        ("/admin/pages/new", {"title": blank, "content": "x", "slug": ""}, "title"),
    ]
    for path, form, field in forms:
        answer = await client.post(path, data=form, headers=bob)
        assert answer.status_code == 422, path
        assert f'id="error-{field}"' in answer.text, path


async def test_tags_that_look_alike_are_one(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    for number, name in enumerate(ALIKE):
        await write(f"Post {number}", tags=[name])
    await write("All", tags=ALIKE)
    names = await ctx.db.fetch_all(sa.select(tables.tags.c.name))
    assert [row["name"] for row in names] == ["Café noir"]
    assert (await tags.with_count(ctx, "CAFÉ NOIR")).posts == len(ALIKE) + 1
    for name in ALIKE:
        pages = [f"/tags/{quote(name)}", f"/tags/{quote(name)}/feed.atom", f"/api/v1/posts?tag={quote(name)}"]
        assert [(await client.get(path)).status_code for path in pages] == [200] * 3
        assert len((await client.get(pages[2])).json()["items"]) == len(ALIKE) + 1


async def test_tags_of_a_form_that_look_alike_are_one(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    form = {"title": "On  engines\u200b", "content": "x", "tags": ", ".join([*ALIKE, "\u200b"]), "status": "published"}
    answer = await client.post("/write", data=form, headers=await sign_in("ada"))
    assert answer.headers["location"] == "/posts/on-engines"
    assert [tag.name for tag in await tags.all_tags(ctx)] == ["Café noir"]
    assert '<h1 dir="auto">On engines</h1>' in (await client.get("/posts/on-engines")).text


async def test_decomposed_address_of_a_post_redirects(client: httpx2.AsyncClient, write: Write) -> None:
    await write("ガイド")
    answer = await client.get("/posts/" + quote("カ\u3099イト\u3099"))
    assert (answer.status_code, answer.headers["location"]) == (301, "/posts/" + quote("ガイド"))


async def test_slug_of_any_script_can_be_saved_again(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    post = await write("काम और ความรัก")
    form = {"title": post.title, "content": "New text.", "slug": post.slug, "status": "published", "version": "1"}
    answer = await client.post(f"/posts/{quote(post.slug)}/edit", data=form, headers=await sign_in("eve", Role.EDITOR))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/posts/{quote(post.slug)}")


@pytest.mark.parametrize("typed", [" ada", "ADA\u200b", "ada\u00a0"], ids=ascii)
async def test_username_of_the_sign_in_form_is_normalised(client: httpx2.AsyncClient, sign_in: SignIn, typed: str) -> None:
    await sign_in("ada")
    answer = await client.post("/login", data={"username": typed, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
