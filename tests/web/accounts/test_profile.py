"""Profile, e-mail address, avatar, sessions, tokens, data export and account deletion."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from PIL import Image
from pydantic import SecretStr

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, sessions, tokens
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import posts
from blog.import_export.markdown import folder, source
from blog.schemas.accounts import Credentials, Role
from blog.schemas.comments import NewComment
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost, PostStatus
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, Bearer, MakeUser, running
from tests.support import matching
from tests.support.optional import unwrap
from tests.support.pictures import encode, png
from tests.web.conftest import SignIn, Write

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
async def ada(ctx: Context, sign_in: SignIn) -> dict[str, str]:
    """Return the headers of ada's browser."""
    return await sign_in("ada")


async def of(ctx: Context, username: str = "ada") -> Context:
    """Return the context of an existing user."""
    return ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, username)))


async def test_profile_is_changed_and_age_can_be_removed(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    sent = {"name": "Ada L.", "age": "36", "bio": "Weaves *patterns*."}
    assert (await client.post("/account", data=sent, headers=ada)).headers["location"] == "/account?saved=profile"
    user = await accounts.by_username(ctx, "ada")
    assert (user.name, user.bio, user.age, user.email) == ("Ada L.", "Weaves *patterns*.", 36, "ada@example.org")
    assert "Profile saved." in (await client.get("/account?saved=profile", headers=ada)).text
    await client.post("/account", data=sent | {"age": ""}, headers=ada)
    assert (await accounts.by_username(ctx, "ada")).age is None


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("age", "old", "Enter a whole number"),
        ("age", "151", "Enter 150 or a smaller number"),
        ("age", "-1", "Enter 0 or a larger number"),
        ("bio", "x" * 1001, "Use at most 1000 characters"),
        ("bio", "bell \x07", "Control characters are not allowed"),
    ],
)
async def test_invalid_profile_keeps_its_values(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], field: str, typed: str, message: str
) -> None:
    answer = await client.post("/account", data={"name": "Typed name", "age": "", "bio": ""} | {field: typed}, headers=ada)
    assert answer.status_code == 422
    assert f'id="error-{field}">{message}</p>' in answer.text
    assert 'value="Typed name"' in answer.text
    assert (await accounts.by_username(ctx, "ada")).name == "ada"


async def test_bio_is_on_the_author_page_and_sanitised(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    bio = "Weaves *patterns*. <script>alert(1)</script> [x](javascript:alert(2)) ![y](https://elsewhere.example/y.png)"
    await client.post("/account", data={"name": "Ada", "age": "", "bio": bio}, headers=ada)
    page = (await client.get("/authors/ada")).text
    assert "Weaves <em>patterns</em>" in page
    assert "<script>" not in page
    assert 'href="javascript' not in page
    assert "<img" not in page
    assert '<span class="avatar avatar-96 initials" aria-hidden="true">A</span>' in page


async def test_address_change_needs_the_password(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    wrong = await client.post("/account/email", data={"email": "a@example.com", "current": "guess"}, headers=ada)
    assert wrong.status_code == 422
    assert 'id="error-current">Wrong password' in wrong.text
    assert 'value="a@example.com"' in wrong.text
    assert (await accounts.by_username(ctx, "ada")).email == "ada@example.org"
    done = await client.post("/account/email", data={"email": "a@example.com", "current": PASSWORD}, headers=ada)
    assert done.headers["location"] == "/account?saved=email"
    assert (
        await sessions.authenticate(ctx, Credentials(username="A@example.com", password=SecretStr(PASSWORD)))
    ).username == "ada"


@pytest.mark.parametrize(
    ("email", "status", "message"),
    [("nobody", 422, "Enter an e-mail address"), ("bob@example.org", 409, "Another account uses this e-mail address")],
)
async def test_invalid_email_is_reported_at_its_field(
    client: httpx2.AsyncClient, make_user: MakeUser, ada: dict[str, str], email: str, status: int, message: str
) -> None:
    await make_user("bob")
    answer = await client.post("/account/email", data={"email": email, "current": PASSWORD}, headers=ada)
    assert answer.status_code == status
    assert f'id="error-email">{message}' in answer.text


async def test_no_other_form_changes_the_address_without_the_password(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], bearer: Bearer
) -> None:
    page = await client.post("/account", data={"name": "Ada", "age": "", "email": "a@example.com"}, headers=ada)
    assert page.status_code == 422
    eve = await bearer("eve")
    for sent, status in [
        ({"email": "e@example.com"}, 422),
        ({"email": "e@example.com", "current": "guess"}, 422),
        ({"email": "eve@example.org"}, 200),  # as it was
        ({"email": "e@example.com", "current": PASSWORD}, 200),
    ]:
        answer = await client.patch("/api/v1/users/me", json=sent, headers=eve)
        assert answer.status_code == status
        if status == 422:
            assert answer.json()["errors"][0]["loc"] == ["body", "current"]
    assert (await accounts.by_username(ctx, "ada")).email == "ada@example.org"
    assert (await accounts.by_username(ctx, "eve")).email == "e@example.com"


async def test_password_change_needs_the_current_one_and_ends_other_sessions(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]
) -> None:
    other = await sessions.start(ctx, (await of(ctx)).require_actor(), "elsewhere")
    wrong = await client.post("/account/password", data={"current": "not this", "password": "a new long one"}, headers=ada)
    assert wrong.status_code == 422
    assert 'id="error-current">Wrong password' in wrong.text
    assert await sessions.load(ctx, other) is not None
    done = await client.post("/account/password", data={"current": PASSWORD, "password": "a new long one"}, headers=ada)
    assert (done.status_code, done.headers["location"]) == (303, "/account?saved=password")
    assert await sessions.load(ctx, other) is None
    assert (await client.get("/account", headers=ada)).status_code == 303, "the old id is worth nothing"
    assert (await client.get("/account")).status_code == 200, "the browser was given a new one"
    assert (await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr("a new long one")))).username == "ada"


async def test_account_pages_need_a_session(client: httpx2.AsyncClient) -> None:
    for path in ("", "/email", "/password", "/avatar", "/sessions", "/tokens", "/export", "/delete"):
        assert (await client.get(f"/account{path}")).headers["location"].startswith("/login?next=%2Faccount")
        if path != "/export":
            assert (await client.post(f"/account{path}", data={"name": "x"}, headers=OWN)).status_code == 401


async def avatar_file(ctx: Context, settings: Settings) -> Path | None:
    name = (await accounts.by_username(ctx, "ada")).avatar
    return settings.media_dir / name if name else None


async def test_avatar_is_a_small_square_from_the_middle_of_the_image(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], settings: Settings
) -> None:
    image = Image.new("RGB", (900, 600), "red")
    image.paste("blue", (150, 0, 750, 600))
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    sent = {"file": ("me.jpg", encode(image, "JPEG", exif=exif), "image/jpeg")}
    answer = await client.post("/account/avatar", files=sent, headers=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?saved=avatar")
    file = unwrap(await avatar_file(ctx, settings))
    with Image.open(file) as kept:
        assert (kept.format, kept.size) == ("WEBP", (256, 256))
        assert not kept.getexif()
        blue = kept.convert("RGB").getchannel("B")
        assert all(blue.crop((x, y, x + 1, y + 1)).tobytes()[0] > 200 for x, y in ((2, 2), (253, 253), (128, 128))), "all blue"
    shown = f'src="/media/{file.name}"'
    assert shown in (await client.get("/authors/ada")).text
    assert (await client.get(f"/media/{file.name}")).headers["content-type"] == "image/webp"


async def test_avatar_is_in_bylines(client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write) -> None:
    await write("On engines")
    assert 'class="avatar' not in (await client.get("/posts/on-engines")).text, "no initials there"
    await ctx.db.execute(tables.users.update().values(avatar=f"{'0' * 64}.webp"))
    for path in ("/", "/posts/on-engines"):
        assert f'src="/media/{"0" * 64}.webp" width="24"' in (await client.get(path)).text


async def test_avatar_file_is_removed_on_removal_and_replacement(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], settings: Settings
) -> None:
    files = []
    for colour in ("teal", "navy"):
        await client.post("/account/avatar", files={"file": ("a.png", png(300, 300, colour), "image/png")}, headers=ada)
        files.append(unwrap(await avatar_file(ctx, settings)))
    assert [file.exists() for file in files] == [False, True]
    assert (await client.post("/account/avatar/remove", headers=ada)).status_code == 303
    assert not files[1].exists()
    assert await avatar_file(ctx, settings) is None


async def test_avatar_file_stays_while_another_account_uses_it(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], sign_in: SignIn, settings: Settings
) -> None:
    sent = {"file": ("a.png", png(64, 64), "image/png")}
    for headers in (ada, await sign_in("bob", Role.READER)):
        await client.post("/account/avatar", files=sent, headers=headers)
    file = unwrap(await avatar_file(ctx, settings))
    with Image.open(file) as kept:
        assert kept.size == (64, 64), "never larger than it came"
    await client.post("/account/avatar/remove", headers=ada)
    assert file.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Choose an image first"),
        (b"<svg/>", "This file isn&#39;t a readable PNG"),
        (png(10, 10)[:40], "This file isn&#39;t a readable PNG"),
    ],
)
async def test_invalid_image_is_refused_at_its_field(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], content: bytes, message: str
) -> None:
    answer = await client.post("/account/avatar", files={"file": ("a.png", content, "image/png")}, headers=ada)
    assert answer.status_code == 422
    assert f'id="error-file">{message}' in answer.text
    assert (await accounts.by_username(ctx, "ada")).avatar is None


async def test_avatars_are_refused_while_uploads_are_disabled(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], sign_in: SignIn
) -> None:
    ora = await sign_in("ora", Role.OWNER)
    await client.post("/admin/flags/uploads", data={"enabled": "false"}, headers=ora)
    answer = await client.post("/account/avatar", files={"file": ("a.png", png(9, 9), "image/png")}, headers=ada)
    assert answer.status_code == 403


async def test_sessions_are_listed_with_browser_names_and_can_be_revoked(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]
) -> None:
    other = await sessions.start(ctx, (await of(ctx)).require_actor(), FIREFOX)
    page = (await client.get("/account/sessions", headers=ada)).text
    assert page.count('<span class="mark">current session</span>') == 1
    assert "Firefox on Windows" in page
    assert "An unknown browser" in page
    (action,) = re.findall(r'action="(/account/sessions/\w+)"', page)
    assert other not in page
    assert (await client.post(action, headers=ada)).headers["location"] == "/account/sessions"
    assert await sessions.load(ctx, other) is None
    assert (await client.get("/account", headers=ada)).status_code == 200
    assert (await client.post(action, headers=ada)).status_code == 404


async def test_sessions_of_others_cannot_be_revoked(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], make_user: MakeUser
) -> None:
    bob = await sessions.start(ctx, accounts.as_actor(await make_user("bob")), FIREFOX)
    key = (await sessions.list_own(await of(ctx, "bob")))[0].public_id
    assert (await client.post(f"/account/sessions/{key}", headers=ada)).status_code == 404
    assert await sessions.load(ctx, bob) is not None


async def test_sign_out_everywhere_ends_all_own_sessions_only(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], sign_in: SignIn
) -> None:
    bob = await sign_in("bob")
    await sessions.start(ctx, (await of(ctx)).require_actor(), FIREFOX)
    answer = await client.post("/account/sessions", headers=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert 'session=""' in answer.headers["set-cookie"]
    assert (await client.get("/account", headers=ada)).status_code == 303
    assert (await client.get("/account", headers=bob)).status_code == 200


async def test_token_is_shown_once_and_has_the_chosen_scopes(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]
) -> None:
    form = {"name": "backup", "scope-account": "on", "days": "7"}
    made = await client.post("/account/tokens", data=form, headers=ada)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    secret = matching.search(r'<textarea class="secret"[^>]*>([^<]+)<', made.text)[1]
    bearer = {"Authorization": f"Bearer {secret}"}
    assert (await client.get("/api/v1/users/me", headers=bearer)).status_code == 200
    refused = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=bearer)
    assert refused.status_code == 403
    listed = (await client.get("/account/tokens", headers=ada)).text
    assert "<strong>backup</strong>" in listed
    assert secret not in listed
    (token,) = await tokens.list_own(await of(ctx))
    assert (token.expires_at - token.created_at).days == 7
    assert (await client.post(f"/account/tokens/{token.id}", headers=ada)).status_code == 303
    assert (await client.get("/api/v1/users/me", headers=bearer)).status_code == 401


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"scope-account": None}, "scopes"),
        ({"days": "0"}, "days"),
        ({"scope-everything": "on"}, "scopes"),
    ],
)
async def test_invalid_token_form_keeps_its_values(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], changed: Any, field: str
) -> None:
    form = {"name": "backup", "scope-account": "on", "days": "7"} | changed
    sent = {name: value for name, value in form.items() if value is not None}
    answer = await client.post("/account/tokens", data=sent, headers=ada)
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    assert ('name="scope-account" checked' in answer.text) is ("scope-account" in sent)
    assert await tokens.list_own(await of(ctx)) == []


async def test_token_without_a_scope_is_refused_with_a_message(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    answer = await client.post("/account/tokens", data={"name": "backup", "days": "7"}, headers=ada)
    assert 'id="error-scopes">Choose at least one<' in answer.text
    assert "Permissions: Choose at least one" in answer.text


async def test_only_owners_are_offered_the_scope_admin(client: httpx2.AsyncClient, ada: dict[str, str], sign_in: SignIn) -> None:
    form = {"name": "all", "scope-admin": "on", "days": "7"}
    assert "Administer the blog" not in (await client.get("/account/tokens", headers=ada)).text
    assert (await client.post("/account/tokens", data=form, headers=ada)).status_code == 403
    ora = await sign_in("ora", Role.OWNER)
    assert "Administer the blog" in (await client.get("/account/tokens", headers=ora)).text
    assert (await client.post("/account/tokens", data=form, headers=ora)).status_code == 201


async def test_export_has_all_own_data_and_nothing_of_others(
    client: httpx2.AsyncClient, ctx: Context, author: Context, sign_in: SignIn, tmp_path: Path
) -> None:
    post = await posts.create(author, NewPost(title='On "engines": part 1', content="It *weaves*.\n", tags=["a: b", "maths"]))
    await posts.create(author, NewPost(title="Begun", content="---\nnot yet", status=PostStatus.DRAFT))
    await comments.create(author, post.id, NewComment(content="My own."))
    removed = await comments.create(author, post.id, NewComment(content="Regretted."))
    await comments.remove(author, removed.id)
    image, _ = await media.upload(author, io.BytesIO(png(20, 10)), NewMedia(alt="A wheel"))
    eve = await sign_in("eve")
    await client.post("/write", data={"title": "Of eve", "content": "x", "slug": "", "status": "published"}, headers=eve)
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    answer = await client.get("/account/export", headers={"Cookie": f"session={session}"})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    profile = json.loads(archive.read("profile.json"))
    assert (profile["username"], profile["email"]) == ("ada", "ada@example.org")
    assert [item["content"] for item in json.loads(archive.read("comments.json"))] == ["My own.", "Regretted."]
    assert [item["alt"] for item in json.loads(archive.read("media.json"))] == ["A wheel"]
    assert image.name in archive.read("media.json").decode()
    assert not any("of-eve" in name for name in archive.namelist())
    assert "argon2" not in str([archive.read(name) for name in archive.namelist()])
    archive.extractall(tmp_path / "export")
    scanned = folder.scan(tmp_path / "export")
    found = [source.read_post(scanned, path) for path in scanned.paths]
    read = {item.title: item for item in found if isinstance(item, source.SourcePost)}
    assert len(read) == len(found)
    engines, begun = read['On "engines": part 1'], read["Begun"]
    assert (engines.slug, engines.tags, engines.authors, engines.body) == (
        post.slug,
        ("a: b", "maths"),
        ("ada",),
        "It *weaves*.\n",
    )
    assert engines.date == unwrap(post.published_at).replace(microsecond=0)
    assert (engines.draft, begun.draft, begun.body) == (False, True, "---\nnot yet")


async def test_export_of_an_empty_account_is_complete(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    archive = zipfile.ZipFile(io.BytesIO((await client.get("/account/export", headers=ada)).content))
    assert json.loads(archive.read("comments.json")) == json.loads(archive.read("media.json")) == []


async def test_export_has_all_pages_of_a_long_list(
    client: httpx2.AsyncClient, ctx: Context, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.import_export.account_export._BATCH_SIZE", 2)
    for number in range(5):
        post = await posts.create(author, NewPost(title=f"Post {number}", content="x"))
        await comments.create(author, post.id, NewComment(content=f"Comment {number}"))
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    answer = await client.get("/account/export", headers={"Cookie": f"session={session}"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert len([name for name in archive.namelist() if name.endswith(".md")]) == 5
    assert len(json.loads(archive.read("comments.json"))) == 5


async def test_account_deletion_ends_the_session(client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write) -> None:
    await write("On engines")
    session = await sessions.start(ctx, author.require_actor(), "a browser")
    ada = OWN | {"Cookie": f"session={session}"}
    assert "This can't be undone" in (await client.get("/account/delete", headers=ada)).text
    answer = await client.post("/account/delete", data={"username": "ada", "current": PASSWORD, "posts": "keep"}, headers=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/deleted")
    assert 'session=""' in answer.headers["set-cookie"]
    assert "Your account has been deleted" in (await client.get("/account/deleted")).text
    assert (await client.get("/account", headers=ada)).status_code == 303
    page = (await client.get("/posts/on-engines")).text
    (author_page,) = set(re.findall(r'rel="author" href="([^"]+)">Deleted account<', page))
    gone = await client.get(author_page)
    assert "Deleted account. The posts remain." in gone.text
    assert '<meta name="robots" content="noindex">' in gone.text
    assert (await client.get("/authors/ada")).status_code == 404


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"username": "bob"}, "username", "Type your username, ada"),
        ({"current": "guess"}, "current", "Wrong password"),
        ({"posts": "perhaps"}, "posts", ""),
    ],
)
async def test_account_deletion_needs_a_confirmation(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], changed: Any, field: str, message: str
) -> None:
    form = {"username": "ada", "current": PASSWORD, "posts": "delete"} | changed
    answer = await client.post("/account/delete", data=form, headers=ada)
    assert answer.status_code == 422
    assert message in answer.text
    assert f'href="#field-{field}"' in answer.text
    assert PASSWORD not in answer.text
    assert ('value="delete" aria-describedby="posts-delete-note" checked' in answer.text) is (field != "posts")
    assert not (await accounts.by_username(ctx, "ada")).is_deleted


async def test_only_owner_cannot_delete_the_account(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ora = await sign_in("ora", Role.OWNER)
    answer = await client.post("/account/delete", data={"username": "ora", "current": PASSWORD, "posts": "keep"}, headers=ora)
    assert answer.status_code == 409
    assert "This is the only owner. Make another account an owner first" in answer.text
    assert await ctx.db.fetch_val(sa.select(tables.users.c.deleted_at)) is None


async def test_guessing_the_password_within_a_session_is_rate_limited(settings: Settings, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    limited = settings.model_copy(update={"rate_limit": "1000/minute", "login_rate_limit_per_address": "3/minute"})
    async with running(create_app(limited)) as client:
        form = {"email": "a@example.com", "current": "guess"}
        answers = [await client.post("/account/email", data=form, headers=ada) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [422, 422, 422, 429]
        for path, sent in [
            ("/account/password", {"password": "a new long one"}),
            ("/account/delete", {"username": "ada", "posts": "delete"}),
        ]:
            refused = await client.post(path, data=sent | {"current": PASSWORD}, headers=ada)
            assert refused.status_code == 429
        bearer = await client.patch("/api/v1/users/me", json={"email": "a@example.com", "current": "x"}, headers=ada)
        assert bearer.status_code == 429
