"""Every field of a post, written by form, by API and by import, is visible in every place that shows it."""

import io
import json
import re
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from blog.domain.accounts import accounts, sessions, tokens
from blog.domain.core.context import Context
from blog.domain.posts.post_content import POST_FIELDS
from blog.import_export.markdown.importer import import_markdown
from blog.schemas.accounts import Role
from tests.conftest import ORIGIN, MakeUser

TITLE, SLUG = "On looms", "on-looms"
SITE = "Field Notes"


@dataclass(frozen=True)
class Case:
    """A value of a field and what each place shows of it.

    sent: the member of the JSON body.
    front_matter: the lines of the Markdown file.
    exported: the line of an exported file, if it has one.
    text: the value as people read it.
    shown: a part of the text of each other place, by its name.
    form: the fields of the form, if the value is not in one field of the same name.
    member: a part of the member of a JSON response, if it is not the member that was sent.
    """

    sent: Any
    front_matter: str
    exported: str
    text: str
    shown: Mapping[str, str]
    form: Mapping[str, str] | None = None
    member: str | None = None


CASES: Mapping[str, Case] = {
    "title": Case(
        "All looms",
        "title: All looms",
        "title: All looms",
        "All looms",
        {
            **dict.fromkeys(("article", "live article"), ">All looms</h1>"),
            **dict.fromkeys(("card", "live card"), ">All looms</a>"),
            **dict.fromkeys(("og:title", "twitter:title"), "All looms"),
            "page title": f"All looms · {SITE}",
            "JSON-LD": '"headline": "All looms"',
            "oEmbed": '"title": "All looms"',
            **dict.fromkeys(("Atom", "RSS"), "<title>All looms</title>"),
            "JSON Feed": '"title": "All looms"',
        },
    ),
    "content": Case(
        "They *weave* patterns.",
        "",
        "They *weave* patterns.",
        "They *weave* patterns.",
        {
            **dict.fromkeys(("article", "live article"), "They <em>weave</em> patterns."),
            **dict.fromkeys(("card", "live card", "RSS", "meta description"), "They weave patterns."),
            "Atom": "They &lt;em&gt;weave&lt;/em&gt; patterns.",
            "JSON Feed": "They <em>weave</em> patterns.",
            "JSON-LD": '"wordCount": 3',
        },
    ),
    "tags": Case(
        ["threads", "cards"],
        "tags: [threads, cards]",
        "tags:\n- threads\n- cards",
        "threads, cards",
        {
            **dict.fromkeys(("article", "live article", "card", "live card"), ">threads</a>"),
            "JSON-LD": '"keywords": ["threads", "cards"]',
            "Atom": '<category term="threads" />',
            "RSS": "<category>threads</category>",
            "JSON Feed": '"tags": ["threads", "cards"]',
        },
        {"tags": "threads, cards"},
    ),
    "slug": Case(
        "looms",
        "slug: looms",
        "slug: looms",
        "looms",
        {
            **dict.fromkeys(("card", "live card"), 'href="/posts/looms"'),
            **dict.fromkeys(("canonical", "og:url"), f"{ORIGIN}/posts/looms"),
            **dict.fromkeys(("JSON-LD", "JSON Feed"), f'"url": "{ORIGIN}/posts/looms"'),
            **dict.fromkeys(("Atom", "RSS", "sitemap"), f"{ORIGIN}/posts/looms"),
        },
    ),
    "comments_open": Case(
        False, "comments: false", "comments: false", "closed", {"page": "Comments are closed."}, {"comments_open": "false"}
    ),
    "custom_excerpt": Case(
        "In short",
        "excerpt: In short",
        "excerpt: In short",
        "In short",
        {
            **dict.fromkeys(("card", "live card"), '<p class="card-excerpt" dir="auto">In short</p>'),
            **dict.fromkeys(("meta description", "og:description", "twitter:description", "oEmbed", "RSS"), "In short"),
            "JSON-LD": '"description": "In short"',
            "Atom": "<summary>In short</summary>",
            "JSON Feed": '"summary": "In short"',
        },
    ),
    "meta_title": Case(
        "Looms explained",
        "seo_title: Looms explained",
        "meta_title: Looms explained",
        "Looms explained",
        {
            "page title": f"Looms explained · {SITE}",
            **dict.fromkeys(("og:title", "twitter:title"), "Looms explained"),
            "JSON-LD": '"headline": "Looms explained"',
            "oEmbed": '"title": "Looms explained"',
            **dict.fromkeys(("article", "card"), TITLE),
        },
    ),
    "meta_description": Case(
        "All about looms",
        "excerpt: In short\ndescription: All about looms",
        "meta_description: All about looms",
        "All about looms",
        {
            **dict.fromkeys(("meta description", "og:description", "twitter:description", "oEmbed"), "All about looms"),
            "JSON-LD": '"description": "All about looms"',
        },
    ),
    "canonical_url": Case(
        "https://elsewhere.example/looms",
        "canonicalURL: https://elsewhere.example/looms",
        "canonical_url: https://elsewhere.example/looms",
        "https://elsewhere.example/looms",
        {
            **dict.fromkeys(("canonical", "og:url"), "https://elsewhere.example/looms"),
            "JSON-LD": '"url": "https://elsewhere.example/looms"',
            "sitemap": f"<loc>{ORIGIN}/tags</loc>",
        },
    ),
    "language": Case(
        "pt-BR",
        "lang: pt_br",
        "lang: pt-BR",
        "pt-BR",
        {
            **dict.fromkeys(("article", "live article"), '<article class="post" id="post-1" lang="pt-BR">'),
            **dict.fromkeys(("card", "live card"), 'aria-labelledby="post-title-1" lang="pt-BR">'),
            "og:locale": "pt_BR",
            "JSON-LD": '"inLanguage": "pt-BR"',
            "oEmbed": 'lang=\\"pt-BR\\"',
            "Atom": '<entry xml:lang="pt-BR">',
            "RSS": "<dc:language>pt-BR</dc:language>",
            "JSON Feed": '"language": "pt-BR"',
        },
    ),
    "authors": Case(
        ["ada", "eve"],
        "authors: [ada, eve]",
        "authors:\n- ada\n- eve",
        "ada, eve",
        {
            **dict.fromkeys(("article", "live article", "card", "live card"), 'href="/authors/ada">ada</a> and <a'),
            "JSON-LD": f'"author": [{{"@type": "Person", "name": "ada", "url": "{ORIGIN}/authors/ada"}}, {{',
            "oEmbed": '"author_name": "ada, eve"',
            "Atom": "<author><name>ada</name>",
            "RSS": "<dc:creator>ada</dc:creator><dc:creator>eve</dc:creator>",
            "JSON Feed": '"authors": [{"name": "ada"',
        },
        {"authors": "ada, eve"},
        '"authors": [{"username": "ada"',
    ),
    "feature_image": Case(
        {"url": "https://elsewhere.example/loom.png", "alt": "A loom", "caption": "In Lyon"},
        "image:\n  src: https://elsewhere.example/loom.png\n  alt: A loom\n  caption: In Lyon",
        "feature_image:\n  path: https://elsewhere.example/loom.png\n  alt: A loom\n  caption: In Lyon",
        "https://elsewhere.example/loom.png, alt text: A loom, caption: In Lyon",
        {
            **dict.fromkeys(
                ("article", "live article"),
                '<img src="https://elsewhere.example/loom.png" alt="A loom" fetchpriority="high">\n'
                '  <figcaption dir="auto">In Lyon</figcaption>',
            ),
            "card": 'src="https://elsewhere.example/loom.png" alt="">',
            "live card": 'src="https://elsewhere.example/loom.png" alt="" loading="lazy">',
            **dict.fromkeys(("og:image", "twitter:image"), "https://elsewhere.example/loom.png"),
            **dict.fromkeys(("og:image:alt", "twitter:image:alt"), "A loom"),
            "og:image:type": "image/png",
            "JSON-LD": '"image": {"@type": "ImageObject", "url": "https://elsewhere.example/loom.png"}',
            "Atom": '<link rel="enclosure" href="https://elsewhere.example/loom.png" type="image/png" />',
            "RSS": '<enclosure url="https://elsewhere.example/loom.png" length="0" type="image/png" />',
            "JSON Feed": '"image": "https://elsewhere.example/loom.png"',
        },
        {
            "feature_image_url": "https://elsewhere.example/loom.png",
            "feature_image_alt": "A loom",
            "feature_image_caption": "In Lyon",
        },
        '"feature_image": {"url": "https://elsewhere.example/loom.png", "alt": "A loom", "caption": "In Lyon"',
    ),
    "featured": Case(
        True, "sticky: true", "featured: true", "Featured setting", {"home": 'id="featured-1"'}, {"featured": "true"}
    ),
}
EVERYWHERE = ("API", "API list", "API of revisions", "event")
"""The places that show the member of the JSON body."""


@dataclass(frozen=True)
class Editor:
    """An editor with a browser and a token. The client has neither: it reads as an anonymous visitor."""

    ctx: Context
    client: httpx2.AsyncClient
    browser: Mapping[str, str]
    token: Mapping[str, str]
    folder: Path

    async def read(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        answer = await self.client.get(path, headers=dict(headers or {}))
        assert answer.status_code == 200, path
        return answer


@pytest.fixture
async def editor(ctx: Context, client: httpx2.AsyncClient, make_user: MakeUser, tmp_path: Path) -> Editor:
    await make_user("ada", Role.AUTHOR)
    eve = ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))
    session = await sessions.start(eve, eve.require_actor(), "a browser")
    token = await tokens.issue(eve, eve.require_actor(), name="test")
    browser = {"Cookie": f"session={session}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    return Editor(eve, client, browser, {"Authorization": f"Bearer {token.value}"}, tmp_path / "site")


def values(name: str, case: Case) -> dict[str, Any]:
    return {"title": TITLE, "content": "They weave.", "slug": SLUG, name: case.sent}


async def write_by_form(editor: Editor, name: str, case: Case) -> None:
    typed = case.form if case.form is not None else {name: str(case.sent)}
    form = {"title": TITLE, "content": "They weave.", "slug": SLUG, "comments_open": "true", "status": "published", **typed}
    answer = await editor.client.post("/write", data=form, headers=dict(editor.browser))
    assert answer.status_code == 303, answer.text


async def write_by_api(editor: Editor, name: str, case: Case) -> None:
    answer = await editor.client.post("/api/v1/posts", json=values(name, case), headers=dict(editor.token))
    assert answer.status_code == 201, answer.text


async def write_by_import(editor: Editor, name: str, case: Case) -> None:
    editor.folder.mkdir()
    lines = [case.front_matter, "date: 2026-01-02"]
    lines += [f"{key}: {text}" for key, text in (("title", TITLE), ("slug", SLUG)) if key != name]
    (editor.folder / "a.md").write_text("\n".join(["---", *filter(None, lines), "---", values(name, case)["content"]]))
    report = await import_markdown(editor.ctx, editor.folder)
    assert (report.totals.posts, report.rejections, report.warnings) == (1, (), ())


WRITERS: Mapping[str, Callable[[Editor, str, Case], Awaitable[None]]] = {
    "form": write_by_form, "API": write_by_api, "import": write_by_import,
}  # fmt: skip


def _inside(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.DOTALL)
    return unescape(found[1]) if found else ""


def _json(answer: httpx2.Response) -> str:
    return json.dumps(answer.json(), ensure_ascii=False)


def _places_of_page(page: str) -> dict[str, str]:
    metas = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', page))
    return {
        "page": page,
        "page title": _inside(r"<title>(.*?)</title>", page),
        "article": _inside(r"(<article .*?</article>)", page),
        "canonical": _inside(r'<link rel="canonical" href="([^"]+)">', page),
        "meta description": unescape(metas["description"]),
        "JSON-LD": json.dumps(
            json.loads(_inside(r'<script type="application/ld\+json">(.*?)</script>', page)), ensure_ascii=False
        ),
        **{name: unescape(text) for name, text in metas.items()},
    }


async def _events(editor: Editor, post_id: int) -> dict[str, str]:
    places: dict[str, str] = {}
    for channel, place in (("posts", "live card"), (f"post:{post_id}", "live article")):
        query = urlencode({"channel": channel, "after": "earliest"})
        [event] = (await editor.read(f"/api/v1/events?{query}")).json()["events"]
        places |= {place: event["data"]["html"], "event": json.dumps(event["data"]["post"], ensure_ascii=False)}
    return places


async def _pages_of_versions(editor: Editor, path: str) -> dict[str, str]:
    return {
        "version page": unescape((await editor.read(f"{path}/history/1", editor.browser)).text),
        "history": (await editor.read(f"{path}/history", editor.browser)).text,
    }


async def _export(editor: Editor) -> str:
    answer = await editor.read("/account/export", editor.browser)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    [name] = [name for name in archive.namelist() if name.endswith(".md")]
    return archive.read(name).decode()


async def collect(editor: Editor) -> dict[str, str]:
    """Return the text of each place that shows the only post of the blog."""
    listed = await editor.read("/api/v1/posts")
    [post] = listed.json()["items"]
    path, number = f"/posts/{post['slug']}", post["id"]
    home = (await editor.read("/")).text
    return {
        "API": _json(await editor.read(f"/api/v1/posts/{number}")),
        "API list": _json(listed),
        "API of revisions": _json(await editor.read(f"/api/v1/posts/{number}/revisions/1", editor.token)),
        "card": _inside(r'(<article class="card".*?</article>)', home),
        "home": home,
        "Atom": (await editor.read("/feed.atom")).text,
        "RSS": (await editor.read("/feed.rss")).text,
        "JSON Feed": _json(await editor.read("/feed.json")),
        "oEmbed": _json(await editor.read(f"/oembed?{urlencode({'url': ORIGIN + path})}")),
        "sitemap": (await editor.read("/sitemap.xml")).text,
        "edit form": unescape((await editor.read(f"{path}/edit", editor.browser)).text),
        "export": await _export(editor),
        **_places_of_page((await editor.read(path)).text),
        **await _events(editor, number),
        **await _pages_of_versions(editor, path),
    }


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("writer", WRITERS)
async def test_field_is_shown_in_every_place(editor: Editor, writer: str, name: str) -> None:
    case = CASES[name]
    await WRITERS[writer](editor, name, case)
    member = case.member or f'"{name}": {json.dumps(case.sent, ensure_ascii=False)}'
    expected = dict.fromkeys(EVERYWHERE, member) | {"version page": case.text, "export": case.exported} | dict(case.shown)
    places = await collect(editor)
    ignoring = ", ".join(place for place, text in expected.items() if text not in places.get(place, ""))
    assert ("/posts/" in places["sitemap"]) is (name != "canonical_url"), "the sitemap lists originals"
    assert not ignoring, f"{name}, written by {writer}, is ignored by: {ignoring}"


def test_every_field_has_a_case() -> None:
    dates = {"publish_at", "published_at"}  # tests/domain/posts/test_back_dating.py
    assert {field.name for field in POST_FIELDS} - dates - {"status"} == CASES.keys()
