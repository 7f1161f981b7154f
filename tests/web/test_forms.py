"""Writing, editing and deleting posts with forms."""

import datetime as dt
import re

import httpx2
import pytest
import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.errors import Unavailable
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.schemas.accounts import Role
from blog.schemas.posts import PostChanges, PostStatus
from blog.settings import Settings
from tests.support import matching
from tests.web.conftest import SignIn, Write

NEW = {"title": "On engines", "content": "It *weaves*.", "tags": "maths,  looms ,, Maths", "slug": "", "status": "published"}


def value(page: str, name: str) -> str:
    """Return the value of the text field or textarea with this name, as a browser would submit it."""
    found = re.search(rf'<input[^>]* name="{name}"[^>]* value="([^"]*)"', page) or re.search(
        rf'<textarea[^>]* name="{name}"[^>]*>\n([^<]*)</textarea>', page
    )
    assert found
    return found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace("&#39;", "'")


async def stored(ctx: Context) -> list[Record]:
    return await ctx.db.fetch_all(sa.select(tables.posts).order_by(tables.posts.c.id))


async def test_post_is_created(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    answer = await client.post("/write", data=NEW, headers=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines")
    post = await posts.get_by_slug(ctx, "on-engines")
    assert (post.title, post.content, post.tags, post.author) == ("On engines", "It *weaves*.", ("maths", "looms"), "ada")
    assert post.status is PostStatus.PUBLISHED
    assert "<em>weaves</em>" in (await client.get("/posts/on-engines")).text


async def test_line_ends_are_stored_as_one_character(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    await client.post("/write", data=NEW | {"content": "one\r\ntwo\r\n"}, headers=await sign_in("ada"))
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "one\ntwo\n"


async def test_chosen_slug_is_used_and_a_used_slug_is_refused_at_its_field(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn
) -> None:
    ada = await sign_in("ada")
    assert (await client.post("/write", data=NEW | {"slug": "engine"}, headers=ada)).headers["location"] == "/posts/engine"
    again = await client.post("/write", data=NEW | {"slug": "engine", "content": "Typed & kept"}, headers=ada)
    assert again.status_code == 409
    assert 'id="error-slug">Another post has or had this slug' in again.text
    assert value(again.text, "content") == "Typed & kept"
    assert len(await stored(ctx)) == 1


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("title", "   ", "Fill this in"),
        ("title", "x" * 301, "Use at most 300 characters"),
        ("content", "bell \x07", "Control characters are not allowed"),
        ("tags", "x" * 51, "Use at most 50 characters"),
        ("tags", ",".join(map(str, range(31))), "Enter at most 30"),
        ("slug", "no spaces", "Use letters, digits, hyphens"),
    ],
)
async def test_invalid_form_has_a_message_and_keeps_all_values(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, field: str, typed: str, message: str
) -> None:
    sent = NEW | {"content": '<b>Typed</b> "text" & more\'s', field: typed}
    answer = await client.post("/write", data=sent, headers=await sign_in("ada"))
    assert answer.status_code == 422
    assert f'<p class="error" id="error-{field}">{message}' in answer.text
    assert f'<a href="#field-{field}">' in answer.text
    tag = matching.search(rf'<(?:input|textarea) id="field-{field}"[^>]*>', answer.text)[0]
    assert 'aria-invalid="true"' in tag
    assert re.search(rf'aria-describedby="[^"]*error-{field}"', tag)
    for name in ("title", "content", "tags", "slug"):
        assert value(answer.text, name) == sent[name]
    assert await stored(ctx) == []


async def test_leading_empty_line_survives_the_form(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.post("/write", data=NEW | {"title": "", "content": "\n\nAfter two"}, headers=await sign_in("ada"))
    assert value(answer.text, "content") == "\n\nAfter two"


async def test_all_errors_are_shown_together(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.post("/write", data=NEW | {"title": "", "slug": "!", "status": "secret"}, headers=await sign_in("ada"))
    assert answer.status_code == 422
    summary = matching.search(r'<div class="error-summary".*?</div>', answer.text, re.DOTALL)[0]
    assert summary.count("<li>") == 3


async def test_post_is_scheduled_in_utc(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).replace(second=0, microsecond=0)
    sent = NEW | {"status": "scheduled", "publish_at": f"{soon:%Y-%m-%dT%H:%M}"}
    eve = await sign_in("eve", Role.EDITOR)
    assert (await client.post("/write", data=sent, headers=eve)).status_code == 303
    row = (await stored(ctx))[0]
    assert (row["status"], row["publish_at"], row["published_at"]) == ("scheduled", soon, None)
    page = (await client.get("/posts/on-engines", headers=eve)).text
    assert f'<time datetime="{soon:%Y-%m-%dT%H:%M:%SZ}">' in page
    assert value((await client.get("/posts/on-engines/edit", headers=eve)).text, "publish_at") == sent["publish_at"]


@pytest.mark.parametrize("moment", ["", "2020-01-01T10:00", "tomorrow"])
async def test_schedule_needs_a_future_time(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, moment: str) -> None:
    ada = await sign_in("ada")
    sent = {"status": "scheduled", "publish_at": moment}
    assert (await client.post("/write", data=NEW | sent, headers=ada)).status_code == 422
    assert await stored(ctx) == []
    await client.post("/write", data=NEW | {"status": "draft"}, headers=ada)
    answer = await client.post("/posts/on-engines/publish", data=sent | {"version": "1"}, headers=ada)
    assert answer.status_code == 422
    assert 'id="error-publish_at"' in answer.text
    assert value(answer.text, "publish_at") == moment


async def test_editor_needs_a_session_and_the_author_role(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    asked = await client.get("/write")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2Fwrite")
    refused = await client.get("/write", headers=await sign_in("bob", Role.READER))
    assert refused.status_code == 403
    assert "Ask the owner of the blog for the author role" in refused.text


async def test_text_survives_the_end_of_the_session(client: httpx2.AsyncClient, ctx: Context) -> None:
    answer = await client.post("/write", data=NEW | {"content": "Hours of work"})
    assert answer.status_code == 401
    assert value(answer.text, "content") == "Hours of work"
    assert await stored(ctx) == []


async def test_reader_cannot_write_by_posting_the_form(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    assert (await client.post("/write", data=NEW, headers=await sign_in("bob", Role.READER))).status_code == 403
    assert await stored(ctx) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {},
    ],
)
async def test_cross_site_form_is_refused(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, headers: dict[str, str]
) -> None:
    cookie = {"Cookie": (await sign_in("ada"))["Cookie"]}
    assert (await client.post("/write", data=NEW, headers=cookie | headers)).status_code == 403
    assert await stored(ctx) == []


async def test_other_body_is_refused(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    assert (await client.post("/write", json=NEW, headers=ada)).status_code == 415
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await client.post("/write", content=b"--y\r\n", headers=ada | broken)).status_code == 400


async def test_body_larger_than_the_limit_is_refused(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, settings: Settings
) -> None:
    sent = NEW | {"content": "x" * (MAX_POST_BODY_BYTES + 1)}
    answer = await client.post("/write", data=sent, headers=await sign_in("ada"))
    assert answer.status_code == 413
    assert "Too large" in answer.text
    assert await stored(ctx) == []


async def test_edited_post_keeps_its_versions(client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn) -> None:
    await write("On engines", "Old.", tags=["maths"])
    eve = await sign_in("eve", Role.EDITOR)
    form = (await client.get("/posts/on-engines/edit", headers=eve)).text
    sent = {name: value(form, name) for name in ("title", "content", "tags", "slug", "version")} | {"status": "published"}
    assert sent["content"] == "Old."
    answer = await client.post("/posts/on-engines/edit", data=sent | {"content": "New.", "slug": "engines"}, headers=eve)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/engines")
    post = await posts.get_by_slug(ctx, "engines")
    assert (post.content, post.version, post.tags, post.author) == ("New.", 2, ("maths",), "ada")
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.revisions)) == 2
    assert (await client.get("/posts/on-engines")).headers["location"] == "/posts/engines"


async def test_conflict_with_another_tab_names_it(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines", "Old.")
    eve = await sign_in("eve", Role.EDITOR)
    sent = {"title": "On engines", "tags": "", "slug": "on-engines", "status": "published", "version": "1"}
    assert (await client.post("/posts/on-engines/edit", data=sent | {"content": "One."}, headers=eve)).status_code == 303
    answer = await client.post("/posts/on-engines/edit", data=sent | {"content": "Two."}, headers=eve)
    assert answer.status_code == 412
    assert "You saved a newer version in another tab or browser." in answer.text
    assert "eve saved" not in answer.text
    assert value(answer.text, "content") == "Two."


async def test_stale_form_keeps_the_text_and_can_be_submitted_again(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, sign_in: SignIn
) -> None:
    post = await write("On engines", "Old.")
    eve = await sign_in("eve", Role.EDITOR)
    sent = {"title": "On engines", "content": "Mine.", "tags": "", "slug": "on-engines", "status": "published", "version": "1"}
    await posts.edit(author, post.id, PostChanges(content="Theirs."))
    answer = await client.post("/posts/on-engines/edit", data=sent, headers=eve)
    assert answer.status_code == 412
    assert "ada saved a newer version while you were writing" in answer.text
    assert '<a href="/posts/on-engines/history" target="_blank"' in answer.text
    assert value(answer.text, "content") == "Mine."
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Theirs."
    again = await client.post("/posts/on-engines/edit", data=sent | {"version": value(answer.text, "version")}, headers=eve)
    assert again.status_code == 303
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Mine."


@pytest.mark.parametrize(
    ("theirs", "typed", "kept"),
    [
        ({"title": "Theirs"}, {"content": "Mine."}, {"title": "Theirs", "content": "Mine."}),
        ({"tags": ["theirs"], "content": "T."}, {"content": "Mine."}, {"tags": "theirs", "content": "Mine."}),
        ({"custom_excerpt": "Theirs", "slug": "theirs", "content": "T."}, {"content": "Mine."}, {"custom_excerpt": "Theirs"}),
        ({"title": "Theirs", "content": "T."}, {"title": "Mine"}, {"title": "Mine", "content": "T."}),
        ({"status": "draft", "content": "T."}, {"content": "Mine."}, {"status": "draft", "content": "Mine."}),
    ],
)
async def test_conflict_keeps_what_only_the_other_person_changed(
    client: httpx2.AsyncClient,
    ctx: Context,
    author: Context,
    write: Write,
    sign_in: SignIn,
    theirs: dict[str, object],
    typed: dict[str, str],
    kept: dict[str, str],
) -> None:
    post = await write("On engines", "Old.", tags=["old"])
    eve = await sign_in("eve", Role.EDITOR)
    form = (await client.get("/posts/on-engines/edit", headers=eve)).text
    names = ("title", "content", "tags", "slug", "custom_excerpt", "status", "version")
    sent = {name: value(form, name) for name in names} | typed
    saved = await posts.edit(author, post.id, PostChanges.model_validate(theirs))
    answer = await client.post("/posts/on-engines/edit", data=sent, headers=eve)
    assert answer.status_code == 412
    form = answer.text[answer.text.index('id="conflict-form"') :]
    assert {name: value(form, name) for name in kept} == kept
    again = await client.post(f"/posts/{saved.slug}/edit", data={name: value(form, name) for name in names}, headers=eve)
    assert again.status_code == 303
    final = await posts.get(ctx.acting_as(author.require_actor()), post.id)
    expected = {name: getattr(saved, name) for name in theirs} | typed
    assert {name: getattr(final, name) for name in expected} == expected


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "²"])
async def test_form_without_a_valid_version_is_refused(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn, version: str
) -> None:
    await write("On engines", "Old.")
    sent = {"title": "On engines", "content": "Blind.", "tags": "", "slug": "", "status": "published", "version": version}
    answer = await client.post("/posts/on-engines/edit", data=sent, headers=await sign_in("eve", Role.EDITOR))
    assert answer.status_code == 412
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Old."


async def test_edit_survives_the_end_of_the_session(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    await write("On engines", "Old.")
    sent = {"title": "Engines", "content": "Typed long", "tags": "", "slug": "on-engines", "status": "draft", "version": "1"}
    answer = await client.post("/posts/on-engines/edit", data=sent)
    assert answer.status_code == 401
    assert value(answer.text, "content") == "Typed long"
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "Old."


async def test_invalid_edit_keeps_its_values(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines")
    sent = {"title": "", "content": "Typed", "tags": "a, b", "slug": "on-engines", "status": "draft", "version": "1"}
    answer = await client.post("/posts/on-engines/edit", data=sent, headers=await sign_in("eve", Role.EDITOR))
    assert answer.status_code == 422
    assert [value(answer.text, name) for name in ("content", "tags", "version")] == ["Typed", "a, b", "1"]


async def test_others_cannot_change_or_delete_a_post(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines", "Old.")
    bob = await sign_in("bob")
    sent = {"title": "Mine now", "content": "", "version": "1"}
    for path in ("/posts/on-engines/edit", "/posts/on-engines/delete"):
        assert (await client.get(path, headers=bob)).status_code == 403
        assert (await client.post(path, data=sent, headers=bob)).status_code == 403
        assert (await client.get(path)).status_code == 303
    assert (await posts.get_by_slug(ctx, "on-engines")).title == "On engines"


async def test_post_is_deleted_after_a_confirmation(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines")
    eve = await sign_in("eve", Role.EDITOR)
    question = await client.get("/posts/on-engines/delete", headers=eve)
    assert "You can restore it for 30 days" in question.text
    assert (await client.get("/posts/on-engines")).status_code == 200, "asking deletes nothing"
    answer = await client.post("/posts/on-engines/delete", headers=eve)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard?deleted=1")
    assert (await client.get("/posts/on-engines")).status_code == 404
    assert (await stored(ctx))[0]["deleted_at"] is not None


SOON = f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=2):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, "draft"),
        ({"status": "draft"}, "draft"),
        ({"status": "published"}, "published"),
        ({"status": "scheduled", "publish_at": SOON}, "scheduled"),
        ({"content": " \n"}, "draft"),
        ({"content": ""}, "draft"),
        ({"content": " \n", "status": "published"}, None),
        ({"content": "", "status": "published"}, None),
        ({"content": "", "status": "scheduled", "publish_at": SOON}, None),
        ({"title": " ", "status": "published"}, None),
        ({"status": "published", "publish_at": SOON}, None),
        ({"status": "draft", "publish_at": SOON}, None),
        ({"publish_at": SOON}, None),
        ({"status": ""}, None),
        ({"status": "Published"}, None),
    ],
)
async def test_new_post_is_a_draft_until_it_is_published(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, sent: dict[str, str], status: str | None
) -> None:
    form = {"title": "On engines", "content": "It weaves.", "tags": "", "slug": ""} | sent
    answer = await client.post("/write", data=form, headers=await sign_in("ada"))
    assert answer.status_code == (303 if status else 422)
    assert [row["status"] for row in await stored(ctx)] == ([status] if status else [])


@pytest.mark.parametrize("before", ["draft", "published", "scheduled"])
async def test_saving_an_edit_keeps_the_status(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn, before: str
) -> None:
    at = {"publish_at": f"{SOON}Z"} if before == "scheduled" else {}
    await write("On engines", "Old.", status=before, **at)
    eve = await sign_in("eve", Role.EDITOR)
    path = "/posts/on-engines/edit"
    for number, how in enumerate(("as a browser does", "without a status"), 1):
        form = (await client.get(path, headers=eve)).text
        names = ("title", "content", "tags", "slug", "version", *(("publish_at",) if before == "scheduled" else ()))
        sent = {name: value(form, name) for name in names} | {"content": how}
        if number == 1:
            sent["status"] = value(form, "status")
        answer = await client.post(path, data=sent, headers=eve)
        assert answer.status_code == 303, how
        assert answer.headers["location"] == (f"{path}?saved={number + 1}" if before == "draft" else "/posts/on-engines")
        row = (await stored(ctx))[0]
        assert (row["status"], row["content"]) == (before, how)
        assert (row["publish_at"] is not None) == (before == "scheduled")
    notice = (await client.get(f"{path}?saved=3", headers=eve)).text
    assert ("Draft saved." in notice) == (before == "draft")
    assert "Draft saved." not in (await client.get(f"{path}?saved=2", headers=eve)).text


async def test_scheduled_post_becomes_a_draft_by_its_button_alone(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines", "Old.", status="scheduled", publish_at=f"{SOON}Z")
    eve = await sign_in("eve", Role.EDITOR)
    form = (await client.get("/posts/on-engines/edit", headers=eve)).text
    assert re.findall(r'name="status" value="(\w+)">', form) == ["scheduled", "draft"]
    sent = {name: value(form, name) for name in ("title", "content", "tags", "slug", "version", "publish_at")}
    answer = await client.post("/posts/on-engines/edit", data=sent | {"status": "draft"}, headers=eve)
    assert answer.status_code == 303
    row = (await stored(ctx))[0]
    assert (row["status"], row["publish_at"]) == ("draft", None)


@pytest.mark.parametrize("path", ["/posts/on-engines/edit", "/posts/on-engines/status"])
async def test_empty_draft_is_not_published_later(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn, path: str
) -> None:
    await write("On engines", "", status="draft")
    sent = {"status": "published"}
    if path.endswith("edit"):
        sent |= {"title": "On engines", "content": "\n", "tags": "", "slug": "", "version": "1"}
    answer = await client.post(path, data=sent, headers=await sign_in("eve", Role.EDITOR))
    assert answer.status_code == 422
    assert "This post is empty." in answer.text
    assert (await stored(ctx))[0]["status"] == "draft"


async def test_published_post_is_not_emptied(client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn) -> None:
    await write("On engines", "Old.")
    sent = {"title": "On engines", "content": "", "tags": "", "slug": "", "version": "1"}
    answer = await client.post("/posts/on-engines/edit", data=sent, headers=await sign_in("eve", Role.EDITOR))
    assert answer.status_code == 422
    assert (await stored(ctx))[0]["content"] == "Old."


async def test_buttons_of_the_editor_follow_the_status(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    await write("Draft", status="draft")
    await write("Published")
    await write("Scheduled", status="scheduled", publish_at=f"{SOON}Z")
    buttons = {
        "/write": ["Save draft", "Schedule", "Publish"],
        "/posts/draft/edit": ["Save draft", "Schedule", "Publish"],
        "/posts/published/edit": ["Save changes"],
        "/posts/scheduled/edit": ["Save changes", "Save as draft", "Publish"],
    }
    for path, expected in buttons.items():
        page = (await client.get(path, headers=eve)).text
        form = page[page.index('<form class="editor-form"') :].partition("</form>")[0]
        first, *labels = re.findall(r"<button(?! type)[^>]*>([^<]+)</button>", form)
        assert re.search(r"<button disabled hidden>", form), "Enter finds a disabled default button"
        assert labels[: labels.index("Preview")] == expected, first


async def test_dashboard_lists_own_posts_by_status(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    bob = await sign_in("bob")
    for title, status in [("Begun", "draft"), ("Out", "published")]:
        await client.post("/write", data=NEW | {"title": title, "status": status}, headers=bob)
    await write("Of ada", status=PostStatus.DRAFT)
    page = (await client.get("/dashboard", headers=bob)).text
    assert (
        page.index(">Drafts<")
        < page.index(">Begun<")
        < page.index(">Scheduled<")
        < page.index(">Published<")
        < page.index(">Out<")
    )
    assert "Of ada" not in page
    assert "Nothing scheduled" in page
    assert (await client.get("/dashboard")).headers["location"] == "/login?next=%2Fdashboard"


async def test_dashboard_is_paged_by_status(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    for number in range(21):
        await client.post("/write", data=NEW | {"title": f"Draft {number}", "slug": "", "status": "draft"}, headers=ada)
    assert 'href="/dashboard?status=draft">View all' in (await client.get("/dashboard", headers=ada)).text
    first = await client.get("/dashboard?status=draft", headers=ada)
    second = await client.get(matching.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&"), headers=ada)
    assert first.text.count("item-title") == 20
    assert re.findall(r'item-title"><a [^>]*>([^<]*)', second.text) == ["Draft 0"]


@pytest.mark.parametrize(
    ("path", "form", "function"),
    [
        ("/posts/on-engines/comments", {"content": "Typed & kept"}, "blog.domain.comments.comments.create"),
        ("/write", NEW | {"content": "Typed & kept"}, "blog.domain.posts.posts.create"),
    ],
)
async def test_text_is_kept_while_the_database_is_unavailable(
    client: httpx2.AsyncClient,
    write: Write,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    form: dict[str, str],
    function: str,
) -> None:
    async def fail(*_args: object, **_options: object) -> None:
        raise Unavailable("The database is locked")

    await write("On engines")
    monkeypatch.setattr(function, fail)
    answer = await client.post(path, data=form, headers=await sign_in("bob"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert value(answer.text, "content") == "Typed & kept"
    assert "The database is locked" in answer.text
