"""Real blogs, imported whole, against counts that were made apart from this code.

`BLOG_TEST_CORPUS` names a folder with `manifest.json`, the trees it tells of, and a `.posts.jsonl` for each.
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
from blog.import_export.markdown.source import DateSource, SourcePost
from tests.import_export.test_importer import UNCOUNTED, contents, counted

CORPUS = os.environ.get("BLOG_TEST_CORPUS", "")
TREES = ["markdown-18f", "markdown-redox", "markdown-ruby-i18n", "markdown-edge-jekyll", "markdown-edge-zola"]
IMAGES = {"markdown-18f": 16}
NO_RASTER = "This is no PNG, JPEG, WebP, GIF or AVIF image that can be read"

# Old address → slug. Zola's page with the slug `something-&-else` is the first of those that want `something-else`.
OLD_ADDRESSES = {
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

pytestmark = pytest.mark.skipif(not CORPUS, reason="BLOG_TEST_CORPUS names no folder of real blogs")

Row = dict[str, Any]


def expected(name: str) -> Row:
    manifest: Row = json.loads(Path(CORPUS, "manifest.json").read_text())["markdown"][name]
    return manifest


def lines(name: str) -> list[Row]:
    return [json.loads(line) for line in Path(CORPUS, f"{name}.posts.jsonl").read_text().splitlines()]


def instant(text: str | None) -> dt.datetime | None:
    """By the standard library alone, so that the reading of dates is checked by another one."""
    if text is None:
        return None
    found = dt.datetime.fromisoformat(re.sub(r" (\d):", r"T0\1:", text).replace(" +", "+").replace(" -", "-"))
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


async def count(ctx: Context, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    found: int = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(table).where(*conditions))
    return found


@pytest.mark.parametrize("name", TREES)
def test_every_post_is_read_as_the_manifest_has_it(name: str) -> None:
    scanned = markdown_folder.scan(Path(CORPUS, name))
    rows = {row["path"]: row for row in lines(name)}
    assert set(scanned.paths) == set(rows)
    assert scanned.rejections == ()
    for path, row in rows.items():
        post = source.read_post(scanned, path)
        assert isinstance(post, SourcePost), post
        title = " ".join(row["title"].split()) if "title" in row else slugs.title_from_slug(row["slug"])
        assert (post.title, post.kind.value) == (title, row.get("front_matter", "none"))
        assert (post.date, post.date_source) == (instant(row.get("date")), row.get("date_source"))
        assert post.slug == slugs.safe_slug(row["slug"])
        safe = re.fullmatch(r"\w(?:[\w.-]*\w)?", row["slug"])
        assert post.slug == row["slug"] or not safe
        for member in ("authors", "tags", "categories"):
            assert list(getattr(post, member)) == row.get(member, [])
        assert post.draft is row.get("draft", False)
        assert list(post.aliases) == [slugs.slug_from_url(alias) for alias in row.get("aliases", [])]
        assert post.language == (row["lang"].replace("_", "-") if "lang" in row else post.language)


@pytest.mark.parametrize("name", TREES)
def test_every_body_is_the_text_after_the_front_matter(name: str) -> None:
    for row in lines(name):
        text = Path(CORPUS, name, row["path"]).read_text("utf-8-sig")
        body = front_matter.split(text.replace("\r\n", "\n")).body
        assert hashlib.sha256(body.encode()).hexdigest()[:16] == row["body_sha256"], row["path"]


def check_totals(name: str, report: ImportReport) -> None:
    manifest = expected(name)
    assert asdict(report.totals) | dict.fromkeys(UNCOUNTED, 0) == {
        "posts": manifest["posts"],
        "authors": manifest["authors_distinct"],
        "author_assignments": manifest["author_assignments"],
        "tags": manifest["tags_distinct"],
        "tag_assignments": manifest["tag_assignments"],
        "categories": manifest["categories_distinct"],
        "category_assignments": manifest["category_assignments"],
        "drafts": manifest["drafts"],
        "dates_from_file_names": manifest["date_source"].get("file name", 0),
        "undated": manifest["undated"],
        "images": IMAGES.get(name, 0),
        "unchanged": 0,
        "refused": 0,
    }
    # Nothing of it is refused; what is warned of are images that the copy of the blog lacks, and drawings that may hold scripts.
    assert report.rejections == ()
    about = {re.sub(r"^\S+: image \S+?:? (is not|This)", r"\1", warning) for warning in report.warnings}
    assert about <= {
        "is not in the folder: its address is left as it was",
        f"{NO_RASTER}; its address is left as it was",
    }


async def check_rows(ctx: Context, name: str) -> None:
    rows = lines(name)
    unsigned = sum(not row.get("authors") for row in rows)
    assert (
        await count(ctx, tables.posts)
        == await count(ctx, tables.import_records)
        == await count(ctx, tables.revisions)
        == len(rows)
    )
    assert await count(ctx, tables.post_authors) == expected(name)["author_assignments"] + unsigned
    assert await count(ctx, tables.users) == expected(name)["authors_distinct"] + 1
    by_line = sa.select(tables.users.c.name).distinct().join(tables.post_authors)
    names = {row["name"] for row in await ctx.db.fetch_all(by_line)}
    assert names == {author for row in rows for author in row.get("authors", [ctx.actor.username if ctx.actor else ""])}
    drafts = expected(name)["drafts"]
    assert await count(ctx, tables.posts, tables.posts.c.status == "published") == len(rows) - drafts
    assert await count(ctx, tables.events) == len(rows) - drafts
    by_source = {row["source"]: row["post_id"] for row in await ctx.db.fetch_all(sa.select(tables.import_records))}
    for row in rows:
        post = await post_queries.by_id(ctx.db, by_source[f"{name}/{row['path']}"])
        assert post is not None
        assert [byline.name for byline in post.bylines] == row.get("authors", ["grace"])
        wanted = dict.fromkeys(tag.casefold() for tag in [*row.get("tags", []), *row.get("categories", [])])
        assert [tag.casefold() for tag in post.tags] == list(wanted)
        if not row.get("draft"):
            assert post.published_at == (instant(row.get("date")) or ctx.now)
        assert post.slug == slugs.safe_slug(row["slug"]) or post.slug.startswith(slugs.safe_slug(row["slug"]) + "-")


@pytest.mark.parametrize("name", TREES)
async def test_the_blog_holds_the_tree_and_a_second_run_changes_nothing(owner: Context, name: str) -> None:
    first = await import_markdown(owner, Path(CORPUS, name))
    check_totals(name, first)
    assert first.totals.unchanged == 0
    await check_rows(owner, name)
    await check_old_addresses(owner, name)
    before = await contents(owner)
    second = await import_markdown(owner, Path(CORPUS, name))
    assert await contents(owner) == before
    assert counted(second) == counted(first)
    assert second.totals.unchanged == second.totals.posts


async def test_all_trees_live_in_one_blog(owner: Context) -> None:
    for name in TREES:
        check_totals(name, await import_markdown(owner, Path(CORPUS, name)))
    assert await count(owner, tables.posts) == sum(expected(name)["posts"] for name in TREES)
    names = {author for name in TREES for row in lines(name) for author in row.get("authors", [])}
    assert await count(owner, tables.users) == len(names) + 1


async def check_old_addresses(ctx: Context, name: str) -> None:
    for old, slug in OLD_ADDRESSES.get(name, {}).items():
        assert (await posts.get_by_slug(ctx, old)).slug == slug
    moved = {slugs.slug_from_url(old) for row in lines(name) for old in (*row.get("aliases", []), row.get("permalink", ":"))}
    others = moved - {None} - {slugs.safe_slug(row["slug"]) for row in lines(name)}
    assert await count(ctx, tables.post_slugs) == expected(name)["posts"] + len(others)


async def test_translations_of_one_post_get_their_language(owner: Context) -> None:
    await import_markdown(owner, Path(CORPUS, "markdown-ruby-i18n"))
    for slug, number in expected("markdown-ruby-i18n")["duplicate_slugs"].items():
        found = [row["slug"] for row in await owner.db.fetch_all(sa.select(tables.posts.c.slug)) if row["slug"].startswith(slug)]
        variants = [name for name in found if re.fullmatch(re.escape(slug) + r"(?:-(?:bg|ja|ko|ru|vi|zh-tw))?", name)]
        assert len(variants) == number


async def test_a_run_stopped_midway_is_completed(owner: Context) -> None:
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


KILLED = """
import asyncio, datetime, os, pathlib, signal, sys
from blog.app import open_site
from blog.domain import accounts
from blog.domain.core.context import Context
from blog.settings import Settings
from blog.import_export.markdown.importer import import_markdown

def stop(done, total):
    if done == 2 * int(sys.argv[2]):
        posts.insert = killed

from blog.domain import posts
insert, written = posts.insert, []

async def killed(*args, **options):
    written.append(await insert(*args, **options))
    if len(written) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return written[-1]

async def main():
    async with open_site(Settings()) as site:
        ctx = Context(site, None, datetime.datetime.now(datetime.UTC), "killed")
        ctx = ctx.acting_as(accounts.actor_of(await accounts.named(ctx, "grace")))
        await import_markdown(ctx, pathlib.Path(sys.argv[1]), progress=stop)

asyncio.run(main())
"""


async def test_a_run_killed_within_a_batch_is_completed(owner: Context) -> None:
    folder, settings = Path(CORPUS, "markdown-ruby-i18n"), owner.site.settings
    environment = os.environ | {
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "MEDIA_DIR": str(settings.media_dir),
        "PYTHONPATH": str(Path(markdown_folder.__file__).parents[3]),
    }
    command = [sys.executable, "-c", KILLED, str(folder), str(BATCH_SIZE)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL  # noqa: ASYNC221
    assert await count(owner, tables.posts) == await count(owner, tables.import_records) == 2 * BATCH_SIZE
    report = await import_markdown(owner, folder)
    check_totals("markdown-ruby-i18n", report)
    assert report.totals.unchanged == 2 * BATCH_SIZE
    await check_rows(owner, "markdown-ruby-i18n")


def test_the_order_of_authors_is_something_to_keep() -> None:
    several = [row for row in lines("markdown-18f") if len(row["authors"]) > 1]
    assert len(several) == expected("markdown-18f")["posts_with_several_authors"]
    assert any(row["authors"] != sorted(row["authors"]) for row in several)


def test_date_sources_are_those_of_the_manifest() -> None:
    sources = {row.get("date_source") for name in TREES for row in lines(name)}
    assert sources <= {None, *DateSource}
