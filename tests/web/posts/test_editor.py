"""Previews, autosaves and images in browsers without JavaScript; and the two endpoints for scripts."""

import html
import json
import re
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.autosaves import MAX_FORM_BYTES
from blog.schemas.fields import MAX_CONTENT_BYTES
from blog.schemas.posts import PostChanges, PostStatus
from tests.support import matching
from tests.web.conftest import SignIn, Write
from tests.web.test_forms import NEW, value

EDIT = {"title": "On engines", "content": "Typed.", "tags": "", "slug": "on-engines", "status": "published", "version": "1"}


async def stored_autosaves(ctx: Context) -> list[Record]:
    return await ctx.db.fetch_all(sa.select(tables.autosaves).order_by(tables.autosaves.c.id))


async def autosave(client: httpx2.AsyncClient, path: str, headers: dict[str, str], **form: Any) -> int:
    answer = await client.post(path, json=form, headers=headers)
    assert answer.status_code == 200
    return int(answer.json()["id"])


async def test_preview_shows_the_text_and_keeps_all_values(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    sent = NEW | {"title": "A <b>", "content": "It *weaves*.\n\n# Part", "slug": "my slug", "status": "draft"}
    answer = await client.post("/write/preview", data=sent, headers=await sign_in("ada"))
    assert answer.status_code == 200
    preview = matching.search(r'<section class="preview-page".*?</section>', answer.text, re.DOTALL)[0]
    assert "<em>weaves</em>" in preview
    assert '<h1 id="c-preview-part">' in preview
    assert "A &lt;b&gt;" in preview
    for name in ("title", "content", "tags", "slug"):
        assert value(answer.text, name) == sent[name]
    assert 'method="post" autocomplete="off" action="/write"' in answer.text
    assert await ctx.db.fetch_all(sa.select(tables.posts)) == []


async def test_preview_of_changes_keeps_their_version_and_changes_nothing(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines", "Old.")
    eve = await sign_in("eve", Role.EDITOR)
    answer = await client.post("/posts/on-engines/edit/preview", data=EDIT | {"content": "**New**"}, headers=eve)
    assert "<strong>New</strong>" in answer.text
    assert (value(answer.text, "version"), value(answer.text, "content")) == ("1", "**New**")
    assert 'action="/posts/on-engines/edit"' in answer.text
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Old."


@pytest.mark.parametrize("path", ["/write", "/posts/on-engines/edit"])
async def test_forms_have_a_button_for_the_preview(client: httpx2.AsyncClient, write: Write, sign_in: SignIn, path: str) -> None:
    await write("On engines")
    page = (await client.get(path, headers=await sign_in("eve", Role.EDITOR))).text
    assert re.search(rf'<button [^>]*save">.*<button [^>]*formaction="{path}/preview" formnovalidate>Preview<', page, re.DOTALL)


async def test_preview_of_too_long_text_is_refused_with_a_message(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    sent = NEW | {"content": "x" * (MAX_CONTENT_BYTES + 1)}
    answer = await client.post("/write/preview", data=sent, headers=await sign_in("ada"))
    assert answer.status_code == 422
    assert 'id="error-content">Use at most 1 MiB' in answer.text
    assert value(answer.text, "content") == sent["content"]


async def test_preview_without_permission_keeps_the_text(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines", status=PostStatus.DRAFT)
    for path in ("/write/preview", "/posts/on-engines/edit/preview"):
        answer = await client.post(path, data=EDIT | {"content": "Hours of work"})
        assert answer.status_code == 401
        assert value(answer.text, "content") == "Hours of work"
    assert (await client.post("/write/preview", data=NEW, headers=await sign_in("rae", Role.READER))).status_code == 403
    assert (await client.post("/posts/on-engines/edit/preview", data=EDIT, headers=await sign_in("bob"))).status_code == 404


async def test_scripts_get_the_preview_as_safe_html(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    path, eve = "/write/preview", await sign_in("eve", Role.EDITOR)
    answer = await client.post(path, json={"content": "*a* <script>alert(1)</script>"}, headers=eve)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.text.strip().endswith("</code></p>\n<p><em>a</em> </p>")
    assert "alert" not in answer.text
    figure = await client.post(path, json={"content": '![A loom](/loom.png "Oak")'}, headers=eve)
    assert "<figcaption>Oak</figcaption>" in figure.text, "as on the page of the post"
    assert (await client.post(path, json={"content": "x" * (MAX_CONTENT_BYTES + 1)}, headers=eve)).status_code == 422
    assert (await client.post(path, json={"content": "x"})).status_code == 401
    assert (await client.post(path, json={"content": "x"}, headers=await sign_in("rae", Role.READER))).status_code == 403


async def test_autosave_is_listed_and_removed_when_the_post_is_saved(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn
) -> None:
    ada = await sign_in("ada")
    number = await autosave(
        client, "/write/autosave", ada, **NEW | {"title": "Half", "content": "a \n\nthou", "slug": "not valid"}
    )
    page = (await client.get("/write", headers=ada)).text
    assert re.search(r"Unsaved draft <strong>“Half”</strong> from <time datetime=", page)
    assert value(page, "title") == ""
    dashboard = (await client.get("/dashboard", headers=ada)).text
    assert dashboard.count(f'href="/write?autosave={number}"') == 2
    resumed = (await client.get(f"/write?autosave={number}", headers=ada)).text
    assert "Restored unsaved text from" in resumed
    names = ("title", "content", "slug", "tags", "autosave")
    sent = {name: value(resumed, name) for name in names} | {"status": "published"}
    assert (sent["title"], sent["content"], sent["slug"], sent["autosave"]) == ("Half", "a \n\nthou", "not valid", str(number))
    assert (await client.post("/write", data=sent, headers=ada)).status_code == 422
    assert len(await stored_autosaves(ctx)) == 1, "what was not saved is kept"
    assert (await client.post("/write", data=sent | {"slug": ""}, headers=ada)).status_code == 303
    assert await stored_autosaves(ctx) == []
    assert "Unfinished" not in (await client.get("/dashboard", headers=ada)).text


async def test_unsaved_changes_are_offered_restored_and_removed_when_saved(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines", "Old.")
    eve = await sign_in("eve", Role.EDITOR)
    number = await autosave(client, "/posts/on-engines/autosave", eve, **EDIT)
    page = (await client.get("/posts/on-engines/edit", headers=eve)).text
    assert "You have unsaved changes from" in page
    assert value(page, "content") == "Old."
    address = html.unescape(matching.search(r'<a class="button" href="([^"]+autosave=[^"]+)"', page)[1])
    restored = (await client.get(address, headers=eve)).text
    assert (value(restored, "content"), value(restored, "version")) == ("Typed.", "1")
    assert "has been saved since" not in restored
    sent = {name: value(restored, name) for name in ("title", "content", "tags", "slug", "version", "autosave")}
    answer = await client.post(
        "/posts/on-engines/edit", data=sent | {"status": "published", "autosave": str(number)}, headers=eve
    )
    assert answer.status_code == 303
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Typed."
    assert await stored_autosaves(ctx) == []


async def test_restored_text_of_an_older_version_warns_and_does_not_overwrite(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, sign_in: SignIn
) -> None:
    post = await write("On engines", "Old.")
    eve = await sign_in("eve", Role.EDITOR)
    number = await autosave(client, "/posts/on-engines/autosave", eve, **EDIT)
    await posts.edit(author, post.id, PostChanges(content="Theirs."))
    restored = (await client.get(f"/posts/on-engines/edit?autosave={number}", headers=eve)).text
    assert "A newer version of the post has been saved since then" in restored
    sent = EDIT | {"version": value(restored, "version"), "autosave": str(number)}
    assert (await client.post("/posts/on-engines/edit", data=sent, headers=eve)).status_code == 412
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Theirs."
    assert len(await stored_autosaves(ctx)) == 1


async def test_text_that_equals_the_post_is_not_offered(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines", "Old.")
    eve = await sign_in("eve", Role.EDITOR)
    form = (await client.get("/posts/on-engines/edit", headers=eve)).text
    same = {name: value(form, name) for name in ("title", "content", "tags", "slug")}
    same |= {"status": "published", "publish_at": "", "comments_open": "true", "version": "0"}
    await autosave(client, "/posts/on-engines/autosave", eve, **same)
    assert "unsaved changes" not in (await client.get("/posts/on-engines/edit", headers=eve)).text


async def test_discarded_text_is_removed(client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn) -> None:
    await write("On engines")
    eve = await sign_in("eve", Role.EDITOR)
    new = await autosave(client, "/write/autosave", eve, **NEW)
    changes = await autosave(client, "/posts/on-engines/autosave", eve, **EDIT)
    assert (await client.post(f"/autosaves/{new}/discard", headers=await sign_in("bob"))).status_code == 404
    for number, back in ((new, "/write"), (changes, "/posts/on-engines/edit")):
        assert f'action="/autosaves/{number}/discard"' in (await client.get(back, headers=eve)).text
        answer = await client.post(f"/autosaves/{number}/discard", headers=eve)
        assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert await stored_autosaves(ctx) == []


async def test_autosave_accepts_a_form_too(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    first = (await client.post("/write/autosave", data=NEW | {"content": "one\r\ntwo", "autosave": ""}, headers=ada)).json()
    second = await client.post("/write/autosave", data=NEW | {"content": "three", "autosave": str(first["id"])}, headers=ada)
    assert second.json()["id"] == first["id"]
    assert [row["form"] for row in await stored_autosaves(ctx)] == [NEW | {"content": "three"}]


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (422, {"content": "x" * (MAX_FORM_BYTES + 1)}),
        (422, {"Title!": "x"}),
        (422, {"title": 3}),
        (422, ["title"]),
        (422, {f"field_{chr(97 + number % 26)}{'x' * number}": "" for number in range(20)} | {"a" * n: "" for n in range(1, 20)}),
    ],
)
async def test_autosave_takes_forms_only(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, status: int, sent: Any
) -> None:
    answer = await client.post("/write/autosave", content=json.dumps(sent), headers=await sign_in("ada") | JSON)
    assert answer.status_code == status
    assert await stored_autosaves(ctx) == []


JSON = {"Content-Type": "application/json"}


async def test_autosave_without_permission_is_refused(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines", status=PostStatus.DRAFT)
    rae = await sign_in("rae", Role.READER)
    for path in ("/write/autosave", "/posts/on-engines/autosave"):
        assert (await client.post(path, json=EDIT)).status_code == 401
    assert (await client.post("/write/autosave", json=EDIT, headers=rae)).status_code == 403
    assert (await client.post("/posts/on-engines/autosave", json=EDIT, headers=await sign_in("bob"))).status_code == 404
    assert await stored_autosaves(ctx) == []


async def test_forged_autosave_id_changes_nothing_of_others(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    number = await autosave(client, "/write/autosave", await sign_in("ada"), **NEW)
    bob = await sign_in("bob")
    assert (await client.post("/write", data=NEW | {"autosave": str(number)}, headers=bob)).status_code == 303
    assert (await client.get(f"/write?autosave={number}", headers=bob)).text.count(NEW["content"]) == 0
    assert [row["id"] for row in await stored_autosaves(ctx)] == [number]


@pytest.mark.parametrize("as_json", [True, False])
async def test_preview_names_what_posts_may_not_hold(client: httpx2.AsyncClient, sign_in: SignIn, as_json: bool) -> None:
    sent = {"content": "<script>x()</script>\n\n<p onclick='x()'>text</p>"}
    body: dict[str, Any] = {"json": sent} if as_json else {"data": {"title": "On engines", **sent}}
    page = (await client.post("/write/preview", headers=await sign_in("ada"), **body)).text
    assert "Not allowed, and removed: <code>&lt;script&gt;</code>, <code>onclick of &lt;p&gt;</code>" in page
    assert "x()" not in page.partition("preview-removed")[2].partition("</section>")[0]
