"""The appearance: what readers see of it, undo, export and import."""

import json
import re
from typing import Any

import httpx2
import pytest

from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from blog.schemas.appearance import Appearance
from blog.text.accent_colours import DEFAULT_ACCENT
from tests.web.conftest import SignIn, Write

PATH = "/admin/appearance"
FORM = {
    "accent": "#D4357F", "colour_scheme": "auto", "show_author": "true", "show_date": "true", "show_reading_time": "true",
    "show_related": "true", "footer_text": "", "social_links": "", "custom_css": "",
}  # fmt: skip


@pytest.fixture
async def ora(sign_in: SignIn) -> dict[str, str]:
    """Return the headers of an owner's browser."""
    return await sign_in("ora", Role.OWNER)


async def import_file(client: httpx2.AsyncClient, headers: dict[str, str], content: bytes) -> httpx2.Response:
    return await client.post(f"{PATH}/import", files={"file": ("appearance.json", content)}, headers=headers)


async def test_accent_colour_is_stored_and_shown(client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str]) -> None:
    assert f'name="accent" type="color" value="{DEFAULT_ACCENT}"' in (await client.get(PATH, headers=ora)).text
    answer = await client.post(PATH, data=FORM, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=yes")
    page = (await client.get(answer.headers["location"], headers=ora)).text
    assert "Appearance saved." in page
    assert 'name="accent" type="color" value="#d4357f"' in page
    assert "Readers see #c13074 on light pages and #dc5c98 on dark ones" in page
    assert "theme.css" in (await client.get("/")).text
    for default in (DEFAULT_ACCENT, ""):
        await client.post(PATH, data=FORM, headers=ora)
        await client.post(PATH, data=FORM | {"accent": default}, headers=ora)
        assert ctx.site.runtime_settings.preferences.accent is None
        assert "theme.css" not in (await client.get("/")).text


async def test_accent_style_sheet_is_immutable_under_its_version(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    assert (await client.get("/theme.css")).status_code == 404
    await client.post(PATH, data=FORM, headers=ora)
    link = re.findall(r'<link rel="stylesheet" href="(/theme\.css\?v=\w+)">', (await client.get("/")).text)[0]
    answer = await client.get(link)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert re.search(r":root \{ --accent: #[0-9a-f]{6};", answer.text)
    assert "prefers-color-scheme: dark" in answer.text
    fresh = await client.get("/theme.css", headers={"If-None-Match": answer.headers["etag"]})
    assert fresh.status_code == 304
    for path in ("/theme.css", "/theme.css?v=another"):
        assert (await client.get(path)).headers["cache-control"] == "no-cache", "a worker may be behind another"
    await client.post(PATH, data=FORM | {"accent": "#0000ff"}, headers=ora)
    assert link not in (await client.get("/")).text


@pytest.mark.parametrize(
    ("name", "shown"), [("show_author", 'class="byline"'), ("show_date", "<time "), ("show_reading_time", "min read")]
)
async def test_hidden_parts_leave_cards_and_posts(
    client: httpx2.AsyncClient, ora: dict[str, str], write: Write, name: str, shown: str
) -> None:
    await write("On looms", "They weave too.")
    paths = ("/", "/posts/on-looms", "/search?q=weave") if name != "show_reading_time" else ("/", "/posts/on-looms")
    for path in paths:  # also fills the caches
        assert shown in (await client.get(path)).text, path
    sent = {field: value for field, value in FORM.items() if field != name}
    await client.post(PATH, data=sent, headers=ora)
    for path in paths:
        page = re.sub(r"<head>.*?</head>", "", (await client.get(path)).text, flags=re.DOTALL)
        assert "On looms" in re.sub(r"</?mark>", "", page)
        assert shown not in page, path
    form = (await client.get(PATH, headers=ora)).text
    assert re.findall(r'name="(show_\w+)" value="true" checked', form) == [key for key in sent if key.startswith("show_")]


async def test_related_posts_are_hidden_and_older_ones_stay(
    client: httpx2.AsyncClient, ora: dict[str, str], write: Write
) -> None:
    for age, title in enumerate(("Three", "Two", "One")):
        await write(title, "Weaving.", age=age, tags=["looms"])
    assert "Related posts" in (await client.get("/posts/three")).text
    await client.post(PATH, data={name: value for name, value in FORM.items() if name != "show_related"}, headers=ora)
    page = (await client.get("/posts/three")).text
    assert "Related posts" not in page
    assert 'class="older"' in page


async def test_fixed_colour_scheme_overrides_the_choice_of_readers(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    reader = {"Cookie": "theme=dark"}
    page = (await client.get("/", headers=reader)).text
    assert 'data-theme="dark"' in page
    assert 'action="/theme"' in page
    await client.post(PATH, data=FORM | {"colour_scheme": "light"}, headers=ora)
    for headers in (reader, {}):
        page = (await client.get("/", headers=headers)).text
        assert 'data-theme="light"' in page
        assert '<meta name="color-scheme" content="light">' in page
        assert 'action="/theme"' not in page


async def test_footer_has_the_text_and_links_of_the_owner(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    text = "Printed in *Turin*. [Imprint](/imprint) <script>alert(1)</script> [x](javascript:alert(1))"
    links = "https://www.github.com/ada\n\n https://social.example/@ada\nhttps://social.example/@loom\nmailto:ada@example.org"
    answer = await client.post(PATH, data=FORM | {"footer_text": text, "social_links": links}, headers=ora)
    assert answer.status_code == 303
    for path in ("/", "/nowhere"):
        footer = (await client.get(path)).text.partition('<footer class="site-footer">')[2]
        assert '<p>Printed in <em>Turin</em>. <a href="/imprint" rel="noopener">Imprint</a>' in footer
        assert "<script" not in footer
        assert 'href="javascript' not in footer
        assert re.findall(r'<a rel="me" href="([^"]+)">([^<]+)</a>', footer) == [
            ("https://www.github.com/ada", "github.com"),
            ("https://social.example/@ada", "social.example/@ada"),
            ("https://social.example/@loom", "social.example/@loom"),
            ("mailto:ada@example.org", "ada@example.org"),
        ]


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("accent", "crimson", "Not a hex colour."),
        ("accent", "#12345", "Not a hex colour."),
        ("colour_scheme", "sepia", "Choose one of these"),
        ("footer_text", "x" * 1001, "Use at most 1000 characters"),
        ("custom_css", "é" * 50_001, "Use at most 100000 bytes. This CSS has 100002"),
        ("social_links", "javascript:alert(1)", "Not a link."),
        ("social_links", "//evil.example", "Not a link."),
        ("social_links", "https://[::1", "Not a link."),
        ("social_links", "https://a b.example", "Not a link."),
        ("social_links", "mailto:ada", "Not a link."),
        ("social_links", "https://example.org\n" * 11, "Enter at most 10"),
    ],
)
async def test_invalid_form_keeps_its_values_and_changes_nothing(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], field: str, typed: str, message: str
) -> None:
    answer = await client.post(PATH, data=FORM | {"footer_text": "Kept text", field: typed}, headers=ora)
    assert answer.status_code == 422
    assert re.search(rf'id="error-{field}">{message}', answer.text)
    assert "Kept text" in answer.text or field == "footer_text"
    assert ctx.site.runtime_settings.preferences.appearance() == Appearance()


async def test_undo_restores_the_appearance_before_the_last_change(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    assert "Undo last change" not in (await client.get(PATH, headers=ora)).text
    assert (await client.post(f"{PATH}/undo", headers=ora)).status_code == 409
    await client.post(PATH, data=FORM | {"footer_text": "First"}, headers=ora)
    second = FORM | {"footer_text": "Second", "accent": "#0000ff"}
    del second["show_date"]
    for _ in range(2):  # saving again without a change does not replace what undo restores
        await client.post(PATH, data=second, headers=ora)
    for text, colour in (("First", "#d4357f"), ("Second", "#0000ff")):
        answer = await client.post(f"{PATH}/undo", headers=ora)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=undone")
        page = (await client.get(answer.headers["location"], headers=ora)).text
        assert "Change undone." in page
        assert f"<p>{text}</p>" in page
        assert f'type="color" value="{colour}"' in page


async def test_exported_file_restores_the_appearance(client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str]) -> None:
    await client.post(PATH, data=FORM | {"footer_text": "First", "social_links": "https://example.org/ada"}, headers=ora)
    exported = await client.get(f"{PATH}/export", headers=ora)
    assert exported.headers["content-type"] == "application/json"
    assert exported.headers["content-disposition"] == 'attachment; filename="appearance.json"'
    assert exported.json()["version"] == 1
    assert exported.json()["appearance"]["social_links"] == ["https://example.org/ada"]
    before = ctx.site.runtime_settings.preferences.appearance()
    await client.post(PATH, data=FORM, headers=ora)
    answer = await import_file(client, ora, exported.content)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=imported")
    assert ctx.site.runtime_settings.preferences.appearance() == before
    assert "Appearance imported." in (await client.get(answer.headers["location"], headers=ora)).text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "This is not a JSON file."),
        (b"\x89PNG", "This is not a JSON file."),
        ({}, "version: Field required. appearance: Field required"),
        ({"version": 2, "appearance": {}}, "version: Unknown version of the file. This blog reads version 1"),
        ({"version": 1, "appearance": {"accent": "red"}}, "appearance.accent: Not a hex colour."),
        ({"version": 1, "appearance": {"gravity": 9}}, "appearance.gravity: Extra inputs are not permitted"),
        ([1], "file: Input should be a valid dictionary"),
    ],
)
async def test_invalid_file_changes_nothing(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], content: Any, message: str
) -> None:
    await client.post(PATH, data=FORM, headers=ora)
    before = ctx.site.runtime_settings.preferences
    answer = await import_file(client, ora, content if isinstance(content, bytes) else json.dumps(content).encode())
    assert answer.status_code == 422
    assert f'id="error-file">{message}' in answer.text
    assert ctx.site.runtime_settings.preferences == before


async def test_file_that_is_too_large_is_refused(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    assert (await import_file(client, ora, b" " * 500_001)).status_code == 413


@pytest.mark.parametrize("role", [Role.EDITOR, Role.READER])
async def test_only_owners_see_and_change_the_appearance(client: httpx2.AsyncClient, sign_in: SignIn, role: Role) -> None:
    headers = await sign_in("edo", role)
    for path in (PATH, f"{PATH}/export"):
        assert (await client.get(path, headers=headers)).status_code == 403
        assert (await client.get(path)).status_code == 303
    for path in (PATH, f"{PATH}/undo"):
        assert (await client.post(path, data=FORM, headers=headers)).status_code == 403
    assert (await import_file(client, headers, b"{}")).status_code == 403
    assert (await client.get(f"{PATH}/import", headers=headers)).status_code == 405


async def test_custom_css_is_a_permanent_file_of_the_pages_of_readers(
    client: httpx2.AsyncClient, ora: dict[str, str], write: Write
) -> None:
    await write("On engines")
    assert (await client.get("/custom.css")).status_code == 404
    assert "custom.css" not in (await client.get("/")).text
    css = "body { display: none }\n/* é </style> */"
    await client.post(PATH, data=FORM | {"custom_css": css}, headers=ora)
    page = (await client.get("/")).text
    links = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page)
    assert re.fullmatch(r"/custom\.css\?v=\w{12}", links[-1])
    answer = await client.get(links[-1])
    assert answer.text == css
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert (await client.get("/custom.css")).headers["cache-control"] == "no-cache"
    assert links[-1] in (await client.get("/posts/on-engines")).text
    await client.post(PATH, data=FORM | {"custom_css": "p { color: red }"}, headers=ora)
    assert links[-1] not in (await client.get("/")).text


async def test_custom_css_cannot_lock_out_an_owner(client: httpx2.AsyncClient, ora: dict[str, str], write: Write) -> None:
    await write("On engines")
    await client.post(PATH, data=FORM | {"custom_css": "* { display: none !important }"}, headers=ora)
    assert "custom.css" not in (await client.get("/login")).text
    for path in (f"{PATH}?plain=1", PATH, "/admin", "/account/confirm", "/dashboard", "/posts/on-engines/edit"):
        answer = await client.get(path, headers=ora)
        assert answer.status_code == 200
        assert "custom.css" not in answer.text, path
    await client.post(f"{PATH}/undo", headers=ora)
    assert "custom.css" not in (await client.get("/")).text
