"""Import of real blogs, compared with counts that were made independently of this code.

`BLOG_TEST_CORPUS` is a folder with a `manifest.json`, the folders it describes, and a `.posts.jsonl` for each.
"""

import datetime as dt
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.posts import post_queries, posts
from blog.import_export.markdown import folder as markdown_folder
from blog.import_export.markdown import front_matter, slugs, source
from blog.import_export.markdown.importer import BATCH_SIZE, ImportReport, import_markdown
from blog.import_export.markdown.source import SourcePost
from blog.import_export.markdown.visibility import DateSource
from tests.import_export.test_importer import UNCOUNTED, contents, counted

CORPUS = os.environ.get("BLOG_TEST_CORPUS", "")
FOLDERS = ["markdown-18f", "markdown-redox", "markdown-ruby-i18n", "markdown-edge-jekyll", "markdown-edge-zola"]
IMAGES = {"markdown-18f": 17}  # one of them is a lead image
DRAFT_SECTIONS = {"markdown-edge-zola": {"its draft section": 3}}
NOT_READ = {"markdown-edge-jekyll": {".html": 2}}
NOT_RENDERED = {"test_site/content/posts/render.md"}
NOT_AN_IMAGE = "This file isn't a readable PNG, JPEG, WebP, GIF or AVIF image"

# Old URL → slug. Of the Zola pages with the slug `something-else`, the first is `something-&-else`.
OLD_SLUGS = {
    "markdown-18f": {
        "tockingtime": "TockingTime",
        "forrest-service-six-month-check": "forest-service-six-month-check",
        "how-a-two-day-sprint-moved-an-agency-twenty-years-forward": "how-a-two-day-spring-moved-an-agency-twenty-years-forward",
    },
    "markdown-edge-zola": {
        "an-old-alias.html": "something-else",
        "old-page": "something-else",
        "a-fixed-url": "fixed-url",
        "top-level.html": "top-level-alias",
    },
}

pytestmark = [
    pytest.mark.skipif(not CORPUS, reason="BLOG_TEST_CORPUS is not set"),
    pytest.mark.usefixtures("shared_renderings"),
]

Row = dict[str, Any]


def manifest_of(name: str) -> Row:
    manifest: Row = json.loads(Path(CORPUS, "manifest.json").read_text())["markdown"][name]
    return manifest


def expected_posts(name: str) -> list[Row]:
    return [json.loads(line) for line in Path(CORPUS, f"{name}.posts.jsonl").read_text().splitlines()]


def is_draft(row: Row) -> bool:
    """Return whether a row becomes a draft: it is one, or it has no date, or Zola renders no page for it."""
    return row.get("draft", False) or "date" not in row or row["path"] in NOT_RENDERED


def parse_date(text: str | None) -> dt.datetime | None:
    """Parse a date with the standard library, independently of `dates.parse`."""
    if text is None:
        return None
    parsed = dt.datetime.fromisoformat(re.sub(r" (\d):", r"T0\1:", text).replace(" +", "+").replace(" -", "-"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


async def count(ctx: Context, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    rows: int = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(table).where(*conditions))
    return rows


@pytest.mark.parametrize("name", FOLDERS)
def test_posts_match_the_manifest(name: str) -> None:
    folder = markdown_folder.scan(Path(CORPUS, name))
    rows = {row["path"]: row for row in expected_posts(name)}
    assert set(folder.paths) == set(rows)
    assert folder.rejections == ()
    for path, row in rows.items():
        post = source.read_post(folder, path)
        assert isinstance(post, SourcePost), post
        title = " ".join(row["title"].split()) if "title" in row else slugs.title_from_slug(row["slug"])
        assert (post.title, post.kind.value) == (title, row.get("front_matter", "none"))
        assert (post.date, post.date_source) == (parse_date(row.get("date")), row.get("date_source"))
        assert post.slug == slugs.safe_slug(row["slug"])
        is_safe = re.fullmatch(r"\w(?:[\w.-]*\w)?", row["slug"])
        assert post.slug == row["slug"] or not is_safe
        for member in ("authors", "tags", "categories"):
            assert list(getattr(post, member)) == row.get(member, [])
        assert post.draft is is_draft(row)
        assert list(post.aliases) == [slugs.slug_from_url(alias) for alias in row.get("aliases", [])]
        written = row["lang"].replace("_", "-") if "lang" in row else post.language
        assert (post.language or "").lower() == (written or "").lower()


@pytest.mark.parametrize("name", FOLDERS)
def test_bodies_match_the_manifest(name: str) -> None:
    for row in expected_posts(name):
        text = Path(CORPUS, name, row["path"]).read_text("utf-8-sig")
        body = front_matter.split(text.replace("\r\n", "\n")).body
        assert hashlib.sha256(body.encode()).hexdigest()[:16] == row["body_sha256"], row["path"]


def check_totals(name: str, report: ImportReport) -> None:
    manifest = manifest_of(name)
    assert asdict(report.totals) | dict.fromkeys(UNCOUNTED, 0) == {
        "posts": manifest["posts"],
        "authors": manifest["authors_distinct"],
        "author_assignments": manifest["author_assignments"],
        "tags": manifest["tags_distinct"],
        "tag_assignments": manifest["tag_assignments"],
        "categories": manifest["categories_distinct"],
        "category_assignments": manifest["category_assignments"],
        "drafts": sum(map(is_draft, expected_posts(name))),
        "unclear_drafts": manifest["undated"],
        "draft_causes": ({"no date": undated} if (undated := manifest["undated"]) else {}) | DRAFT_SECTIONS.get(name, {}),
        "dates_from_file_names": manifest["date_source"].get("file name", 0),
        "undated": manifest["undated"],
        "images": IMAGES.get(name, 0),
        "unchanged": 0,
        "refused": 0,
        "not_read": NOT_READ.get(name, {}),
    }
    # The only other warnings: images that are missing in the copy of the blog, and SVG drawings, which may contain scripts.
    assert report.rejections == ()
    reasons = {
        re.sub(r"^\S+: image \S+?:? (is not|This)", r"\1", warning)
        for warning in report.warnings
        if ": imported as a draft because of " not in warning
    }
    assert reasons <= {"is not in the folder: URL left unchanged", f"{NOT_AN_IMAGE}: URL left unchanged"}


async def check_rows(ctx: Context, name: str) -> None:
    rows = expected_posts(name)
    without_author = sum(not row.get("authors") for row in rows)
    assert (
        await count(ctx, tables.posts)
        == await count(ctx, tables.import_records)
        == await count(ctx, tables.revisions)
        == len(rows)
    )
    assert await count(ctx, tables.post_authors) == manifest_of(name)["author_assignments"] + without_author
    assert await count(ctx, tables.users) == manifest_of(name)["authors_distinct"] + 1
    by_line = sa.select(tables.users.c.name).distinct().join(tables.post_authors)
    names = {row["name"] for row in await ctx.db.fetch_all(by_line)}
    assert names == {author for row in rows for author in row.get("authors", [ctx.actor.username if ctx.actor else ""])}
    drafts = sum(map(is_draft, rows))
    assert await count(ctx, tables.posts, tables.posts.c.status == "published") == len(rows) - drafts
    assert await count(ctx, tables.events) == len(rows) - drafts
    by_source = {row["source"]: row["post_id"] for row in await ctx.db.fetch_all(sa.select(tables.import_records))}
    for row in rows:
        post = await post_queries.by_id(ctx.db, by_source[f"{name}/{row['path']}"])
        assert post is not None
        assert [byline.name for byline in post.authors] == row.get("authors", ["grace"])
        tags = dict.fromkeys(tag.casefold() for tag in [*row.get("tags", []), *row.get("categories", [])])
        assert [tag.casefold() for tag in post.tags] == list(tags)
        if not is_draft(row):
            assert post.published_at == parse_date(row["date"])
        assert post.slug == slugs.safe_slug(row["slug"]) or post.slug.startswith(slugs.safe_slug(row["slug"]) + "-")


@pytest.mark.sqlite  # the next test imports all folders into PostgreSQL
@pytest.mark.parametrize("name", FOLDERS)
async def test_import_is_complete_and_a_second_run_changes_nothing(owner: Context, name: str) -> None:
    first = await import_markdown(owner, Path(CORPUS, name))
    check_totals(name, first)
    assert first.totals.unchanged == 0
    await check_rows(owner, name)
    await check_old_urls(owner, name)
    before = await contents(owner)
    second = await import_markdown(owner, Path(CORPUS, name))
    assert await contents(owner) == before
    assert counted(second) == counted(first)
    assert second.totals.unchanged == second.totals.posts


@pytest.mark.sqlite
async def test_all_folders_can_be_imported_into_one_blog(owner: Context) -> None:
    for name in FOLDERS:
        check_totals(name, await import_markdown(owner, Path(CORPUS, name)))
    assert await count(owner, tables.posts) == sum(manifest_of(name)["posts"] for name in FOLDERS)
    names = {author for name in FOLDERS for row in expected_posts(name) for author in row.get("authors", [])}
    assert await count(owner, tables.users) == len(names) + 1


async def check_old_urls(ctx: Context, name: str) -> None:
    for old, slug in OLD_SLUGS.get(name, {}).items():
        assert (await posts.get_by_slug(ctx, old)).slug == slug
    moved = {
        slugs.slug_from_url(old) for row in expected_posts(name) for old in (*row.get("aliases", []), row.get("permalink", ":"))
    }
    others = moved - {None} - {slugs.safe_slug(row["slug"]) for row in expected_posts(name)}
    assert await count(ctx, tables.post_slugs) == manifest_of(name)["posts"] + len(others)


async def test_translations_get_their_language_in_the_slug(owner: Context) -> None:
    await import_markdown(owner, Path(CORPUS, "markdown-ruby-i18n"))
    for slug, number in manifest_of("markdown-ruby-i18n")["duplicate_slugs"].items():
        rows = await owner.db.fetch_all(sa.select(tables.posts.c.slug).where(tables.posts.c.slug.startswith(slug)))
        variants = [row["slug"] for row in rows if re.fullmatch(re.escape(slug) + r"(?:-(?:bg|ja|ko|ru|vi|zh-tw))?", row["slug"])]
        assert len(variants) == number


async def test_an_interrupted_import_can_be_completed(owner: Context) -> None:
    def stop(done: int, total: int) -> None:
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await import_markdown(owner, Path(CORPUS, "markdown-redox"), progress=stop)
    half = await count(owner, tables.posts)
    assert half == 75
    report = await import_markdown(owner, Path(CORPUS, "markdown-redox"))
    check_totals("markdown-redox", report)
    assert report.totals.unchanged == half
    await check_rows(owner, "markdown-redox")


IMPORT_UNTIL_KILLED = """
import asyncio, datetime, os, pathlib, signal, sys
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.posts import post_writes
from blog.settings import Settings
from blog.import_export.markdown.importer import import_markdown

def stop(done, total):
    if done == 2 * int(sys.argv[2]):
        post_writes.insert = killed

insert, written = post_writes.insert, []

async def killed(*args, **options):
    written.append(await insert(*args, **options))
    if len(written) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return written[-1]

async def main():
    async with open_site(Settings()) as site:
        ctx = Context(site, None, datetime.datetime.now(datetime.UTC), "killed")
        ctx = ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "grace")))
        await import_markdown(ctx, pathlib.Path(sys.argv[1]), progress=stop)

asyncio.run(main())
"""


async def test_an_import_killed_within_a_batch_can_be_completed(owner: Context) -> None:
    directory, settings = Path(CORPUS, "markdown-ruby-i18n"), owner.site.settings
    environment = os.environ | {
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "MEDIA_DIR": str(settings.media_dir),
        "PYTHONPATH": str(Path(markdown_folder.__file__).parents[3]),
    }
    command = [sys.executable, "-c", IMPORT_UNTIL_KILLED, str(directory), str(BATCH_SIZE)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL  # noqa: ASYNC221
    assert await count(owner, tables.posts) == await count(owner, tables.import_records) == 2 * BATCH_SIZE
    report = await import_markdown(owner, directory)
    check_totals("markdown-ruby-i18n", report)
    assert report.totals.unchanged == 2 * BATCH_SIZE
    await check_rows(owner, "markdown-ruby-i18n")


def test_the_corpus_has_posts_with_unsorted_authors() -> None:
    several = [row for row in expected_posts("markdown-18f") if len(row["authors"]) > 1]
    assert len(several) == manifest_of("markdown-18f")["posts_with_several_authors"]
    assert any(row["authors"] != sorted(row["authors"]) for row in several)


def test_date_sources_match_the_manifest() -> None:
    sources = {row.get("date_source") for name in FOLDERS for row in expected_posts(name)}
    assert sources <= {None, *DateSource}
