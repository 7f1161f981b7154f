"""Guarantees of `.docs/security.md` for every response, on every interface."""

import ast
import base64
import io
import random
import re
from collections.abc import Iterator

import httpx2
import pyotp
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.app import create_app, routes
from blog.db import tables
from blog.domain.accounts import accounts, sessions, two_factor
from blog.domain.core.context import Context
from blog.domain.core.signing import generate_secret
from blog.domain.media import media
from blog.errors import NotAuthenticated
from blog.framework.urls.route_table import rows
from blog.schemas.accounts import Credentials, NewUser, Role
from blog.schemas.media import NewMedia
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, Bearer, MakeUser, running
from tests.support.lines import ROOT
from tests.support.pictures import png

# Formats of our own; patterns that are given as constants.
OWN_PROGRAMS = {"blog/db/postgresql/dumps.py"}  # pg_dump and pg_restore, for an operator, without a shell
OWN_FORMATS = {"words"}
OWN_PATTERNS = {
    ("blog/db/snippets.py", "pattern"),
    ("blog/import_export/markdown/code_spans.py", "pattern"),
    ("blog/framework/caching/cacheable_paths.py", "path"),
}
PLACES = (
    "/", "/nowhere", "/archive", "/tags", "/search", "/search?q=engines", "/login", "/register", "/reset-password",
    "/feed.atom", "/feed.rss", "/feed.json", "/sitemap.xml", "/sitemap-posts-1.xml", "/opensearch.xml", "/robots.txt",
    "/api/openapi.json", "/api/asyncapi.json", "/api/docs", "/api/v1/posts", "/api/v1/nowhere", "/healthz", "/readyz",
    "/static/css/blog.css", "/static/js/live.js", "/static/img/favicon.svg",
)  # fmt: skip
KIND = re.compile(r"(text/.*|application/([a-z]+\+)?xml); charset=utf-8|application/([a-z]+\+)?json|image/svg\+xml")


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Return path and syntax tree of every module of the blog."""
    for path in sorted((ROOT / "blog").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Return the dotted names of imported modules and their members."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture
async def ora(ctx: Context, make_user: MakeUser) -> dict[str, str]:
    """Return the headers of the owner's browser."""
    user = await make_user("ora", Role.OWNER)
    session_id = await sessions.start(ctx, accounts.as_actor(user), "a browser")
    return {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


async def test_every_response_has_a_content_type_and_charset(client: httpx2.AsyncClient) -> None:
    for path in PLACES:
        kind = (await client.get(path)).headers["content-type"]
        assert KIND.fullmatch(kind), (path, kind)


async def test_responses_neither_name_the_server_nor_echo_trace_requests(client: httpx2.AsyncClient) -> None:
    for path in PLACES:
        assert not {"server", "x-powered-by"} & set((await client.get(path)).headers), path
        traced = await client.request("TRACE", path, headers={"X-Secret": "not to be repeated"})
        assert traced.status_code in (404, 405), path
        assert "not to be repeated" not in traced.text


async def test_folders_are_not_listed(client: httpx2.AsyncClient, ctx: Context, author: Context) -> None:
    await media.upload(author, io.BytesIO(png(3, 2)), NewMedia(alt=""))
    for path in (
        "/static",
        "/static/",
        "/static/css",
        "/static/css/",
        "/media",
        "/media/",
        "/static/%2e%2e/pyproject.toml",
        "/.git/HEAD",
        "/.env",
    ):
        assert (await client.get(path)).status_code in (404, 307, 308), path


async def test_private_pages_are_not_cached(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    for path in (
        "/account",
        "/account/email",
        "/account/security",
        "/account/sessions",
        "/account/tokens",
        "/admin",
        "/admin/members",
        "/admin/audit",
    ):
        answer = await client.get(path, headers=ora)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), path


@pytest.mark.parametrize(("path", "sent"), [
    ("/logout", {}), ("/account/sessions", {}), ("/account/delete", {"username": "bob", "current": PASSWORD, "posts": "keep"}),
])  # fmt: skip
async def test_sign_out_clears_the_site_data(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, path: str, sent: dict[str, str]
) -> None:
    session_id = await sessions.start(ctx, accounts.as_actor(await make_user("bob")), "a browser")
    answer = await client.post(path, data=sent, headers={"Cookie": f"session={session_id}", "Origin": ORIGIN})
    assert (answer.status_code, answer.headers["clear-site-data"]) == (303, '"cache", "storage"')
    assert (await client.get("/account", headers={"Cookie": f"session={session_id}"})).status_code == 303


async def test_every_cookie_is_bound_to_this_host_and_kept_from_scripts(
    settings: Settings, ctx: Context, make_user: MakeUser
) -> None:
    await make_user("ada")
    async with running(create_app(settings.model_copy(update={"public_url": "https://blog.example.org"}))) as client:
        answers = [
            await client.post("/theme", data={"theme": "dark"}),
            await client.post("/login", data={"username": "ada", "password": PASSWORD}),
        ]
    cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-theme", "__Host-session", "__Host-device"}
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes, cookie
        assert not any(attribute.startswith("domain") for attribute in attributes), cookie


async def test_credentials_in_a_url_are_ignored(
    client: httpx2.AsyncClient, bearer: Bearer, ctx: Context, make_user: MakeUser
) -> None:
    token = (await bearer("ada"))["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization"):
        answer = await client.get("/api/v1/users/me", params={name: token})
        assert answer.status_code in (401, 422), name
    session_id = await sessions.start(ctx, accounts.as_actor(await make_user("bob")), "a browser")
    assert (await client.get("/account", params={"session": session_id})).status_code == 303


async def test_unknown_form_fields_are_ignored(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    answer = await client.post("/account", data={"name": "Ora", "bio": "", "age": "", "role": "owner"}, headers=ora)
    assert answer.status_code == 422
    assert "This form has an unknown field" in answer.text


async def test_get_requests_change_nothing(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    writing = [path for methods, path, name in rows(routes) if name.startswith("web:") and "GET" not in methods]
    assert len(writing) > 20
    for path in writing:
        asked = re.sub(r"\{[^}]+\}", "1", path)
        assert (await client.get(asked, headers=ora)).status_code == 405, path


async def test_sign_out_is_on_every_page(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    for path in ("/", "/account/security", "/admin", "/nowhere", "/write"):
        assert '<form method="post" action="/logout">' in (await client.get(path, headers=ora)).text, path


async def test_api_never_redirects_to_tls(settings: Settings) -> None:
    async with running(create_app(settings.model_copy(update={"public_url": "https://blog.example.org"}))) as client:
        assert (await client.get("/api/v1/posts")).status_code == 200
        assert (await client.post("/api/v1/tokens", json={})).status_code == 422


async def test_new_blog_has_no_account(ctx: Context) -> None:
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.users)) == 0


async def test_every_character_of_a_password_counts(ctx: Context) -> None:
    password = (" Ünï\u00a0cödé 🔑 <'\";--> " * 20)[:255] + " "
    new = NewUser(username="ada", email="ada@example.org", password=SecretStr(password))
    await accounts.create(ctx, new, Role.READER)
    assert await sessions.verify_password(ctx, Credentials(username="ada", password=SecretStr(password)))
    for other in (password.strip(), password.lower(), password[:-1], password[:-1] + "x", password.replace("\u00a0", " ")):
        with pytest.raises(NotAuthenticated):
            await sessions.verify_password(ctx, Credentials(username="ada", password=SecretStr(other)))


@pytest.mark.parametrize(
    "path", ["/login", "/register", "/account/password", "/account/email", "/account/confirm", "/account/delete"]
)
async def test_password_fields_are_hidden_and_support_password_managers(
    client: httpx2.AsyncClient, ora: dict[str, str], path: str
) -> None:
    page = (await client.get(path, headers=ora if "account" in path else {})).text
    fields = [field for field in re.findall(r"<input [^>]*>", page) if re.search(r'name="(password|current)"', field)]
    assert fields
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
    assert not re.search(r"question|hint for your password", page.partition("<main")[2], re.IGNORECASE)


def test_secrets_are_long_and_from_the_system_source(monkeypatch: pytest.MonkeyPatch) -> None:
    random.seed(7)
    first = {generate_secret() for _ in range(100)}
    random.seed(7)
    assert not first & {generate_secret() for _ in range(100)}, "not those of `random`"
    assert {len(base64.urlsafe_b64decode(secret + "=")) for secret in first} == {32}
    assert (two_factor._RECOVERY_CODE_BYTES * 8, len(base64.b32decode(pyotp.random_base32())) * 8) == (80, 160)


# -- what the source has not


def test_no_code_evaluates_text() -> None:
    forbidden = {"eval", "exec", "__import__", "os.system", "os.popen", "yaml.unsafe_load", "compile", "format_map"}
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert "shell" not in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"
                assert ast.unparse(node.func) not in forbidden, f"{path}:{node.lineno}"
                if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
                    template = ast.unparse(node.func.value)
                    is_sql = template.startswith("psycopg.sql.SQL(")  # which quotes what is put in
                    assert template.isupper() or template in OWN_FORMATS or is_sql, f"{path}:{node.lineno}"
        for module in imported(tree):
            assert module.partition(".")[0] not in {"pickle", "marshal", "shelve", "lxml", "dill"}, path
            assert module.partition(".")[0] != "subprocess" or path in OWN_PROGRAMS, path
            assert module not in {"xml.sax", "xml.dom", "xml.etree.ElementTree.parse", "xml.etree.ElementTree.fromstring"}, path


def test_no_regular_expression_is_built_from_input() -> None:
    for path, tree in sources():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")):
            parts = [part for value in call.args[:1] for part in ast.walk(value) if isinstance(part, ast.FormattedValue)]
            for text in (ast.unparse(part.value) for part in parts):
                is_constant = text.isupper() or text.endswith(".pattern") or (path, text) in OWN_PATTERNS
                assert is_constant or text.startswith("re.escape("), f"{path}:{call.lineno}"


def test_no_weak_hash_is_used() -> None:
    for path, tree in sources():
        used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        hashes = {name for name in used if re.fullmatch(r"hashlib\.\w+", name)}
        assert hashes <= {"hashlib.sha256", "hashlib.blake2b", "hashlib.file_digest"}, path


def test_scripts_use_no_dynamic_names() -> None:
    for path in (ROOT / "static" / "js").rglob("*.js"):
        script = path.read_text(encoding="utf-8")
        assert not re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML|__proto__", script), path
        assert not re.search(r"\w+\[[a-zA-Z_.]+\]\s*=[^=]|Object\.assign\(\{", script), f"{path}: a Map takes any name"
        assert 'addEventListener("paste"' not in script or "editor" in path.parts, path
        # HTML is taken from the server alone, which made it harmless.
        assert "innerHTML" not in script or path.name in ("live.js", "preview.js"), path


def test_browsers_store_unsaved_texts_only() -> None:
    stores = [
        path.name
        for path in (ROOT / "static" / "js").rglob("*.js")
        if re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie", path.read_text(encoding="utf-8"))
    ]
    # The texts, the selected view of the editor, the position of the caret and in the queue, and whether shortcuts are on.
    assert sorted(stores) == ["autosave.js", "caret.js", "draft.js", "moderation.js", "preview.js"]
