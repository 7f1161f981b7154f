"""Import of a folder: its result, a second run, changed and moved files, interrupted and concurrent runs."""

import datetime as dt
import io
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from PIL import Image

from blog.db import tables
from blog.domain.accounts.imported_authors import username_from_name
from blog.domain.core.context import Context
from blog.domain.media import image_processing
from blog.domain.posts import post_writes, posts
from blog.errors import InvalidInput, NotAuthenticated
from blog.import_export.markdown import source
from blog.import_export.markdown.importer import BATCH_SIZE, ImportReport, import_markdown
from blog.import_export.markdown.plan import DELETED_IN_BLOG, EDITED_IN_BLOG
from blog.schemas.accounts import Role
from blog.schemas.fields import MAX_CONTENT_BYTES
from blog.schemas.posts import PostChanges, PostStatus
from tests.conftest import MakeUser
from tests.import_export.conftest import MakeFiles
from tests.support import pictures
from tests.support.posts import author_names

UNCOUNTED = {"unchanged", "refused"}


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (3, 2), shade).save(buffer, "PNG")
    return buffer.getvalue()


async def contents(ctx: Context) -> str:
    """Return all rows of all tables as text, for comparison."""
    dump: dict[str, list[str]] = {}
    for table in tables.metadata.sorted_tables:
        rows = await ctx.db.fetch_all(sa.select(table))
        dump[table.name] = sorted(str([row[column.name] for column in table.columns]) for row in rows)
    return json.dumps(dump, indent=1)


async def usernames(ctx: Context) -> dict[str, str]:
    rows = await ctx.db.fetch_all(sa.select(tables.users.c.username, tables.users.c.name))
    return {row["username"]: row["name"] for row in rows}


def counted(report: ImportReport) -> dict[str, int]:
    return {name: count for name, count in asdict(report.totals).items() if name not in UNCOUNTED}


def warnings(report: ImportReport) -> tuple[str, ...]:
    """Return the warnings about other things than missing dates."""
    return tuple(warning for warning in report.warnings if "because of no date" not in warning)


async def test_all_fields_are_imported(owner: Context, make_files: MakeFiles) -> None:
    text = (
        "---\ntitle: Hello\ndate: 2020-05-06 07:08:09 +0200\nauthors: [Foo Doe, 18F]\ntags: [Python, 'a, b', python]\n"
        "categories: [News]\nexcerpt: In <em>short</em> &amp; well\nredirect_from: /old/hi.html\n---\n"
        "# Head\n\n{{ site.baseurl }}/x\n"
    )
    report = await import_markdown(owner, make_files({"Hello-World.md": text}))
    assert asdict(report.totals) == {
        "posts": 1, "authors": 2, "author_assignments": 2, "tags": 3, "tag_assignments": 3, "categories": 1,
        "category_assignments": 1, "drafts": 0, "unclear_drafts": 0, "draft_causes": {}, "dates_from_file_names": 0,
        "undated": 0, "images": 0, "unchanged": 0, "refused": 0, "not_read": {},
    }  # fmt: skip
    assert report.warnings == ("Hello-World.md: the tag 'a, b' became 'a b'",)
    post = await posts.get_by_slug(owner, "Hello-World")
    assert (post.title, post.content, post.excerpt) == ("Hello", "# Head\n\n/x\n", "In short & well")
    assert (post.tags, author_names(post)) == (("Python", "a b", "News"), ["Foo-Doe", "18F"])
    assert [byline.name for byline in post.authors] == ["Foo Doe", "18F"]
    assert (post.status, post.version) == (PostStatus.PUBLISHED, 1)
    assert post.published_at == post.created_at == dt.datetime(2020, 5, 6, 5, 8, 9, tzinfo=dt.UTC)
    assert (await posts.get_by_slug(owner, "hi.html")).id == post.id
    events = await owner.db.fetch_all(sa.select(tables.events))
    assert [(row["type"], row["post_id"]) for row in events] == [("post.published", post.id)]


async def test_drafts_undated_and_future_posts(owner: Context, make_files: MakeFiles) -> None:
    tomorrow = owner.now + dt.timedelta(days=1)
    folder = make_files(
        {
            "draft.md": "---\ndraft: true\ndate: 2020-01-01\n---\n",
            "undated.md": "Text",
            "future.md": f"---\ndate: {tomorrow.isoformat()}\n---\n",
        }
    )
    report = await import_markdown(owner, folder)
    assert (report.totals.drafts, report.totals.undated) == (2, 1)
    draft, undated, future = [await posts.get_by_slug(owner, slug) for slug in ("draft", "undated", "future")]
    assert (draft.status, draft.published_at) == (PostStatus.DRAFT, None)
    assert (undated.status, undated.published_at, author_names(undated)) == (PostStatus.DRAFT, None, ["grace"])
    assert (future.status, future.publish_at, future.published_at) == (PostStatus.SCHEDULED, tomorrow, None)
    assert future.created_at == owner.now
    assert await owner.db.fetch_all(sa.select(tables.events)) == []


async def test_a_second_run_changes_nothing(owner: Context, make_files: MakeFiles) -> None:
    files: dict[str, str | bytes] = {
        f"{n:03}.md": f"---\nauthor: A{n % 3}\ntags: [t{n % 5}]\naliases: [/was-{n}/]\n---\n![x](pic.png)\n" for n in range(60)
    }
    folder = make_files(files | {"pic.png": png(), "bad.md": "---\na: [\n---\n"})
    first = await import_markdown(owner, folder)
    before = await contents(owner)
    second = await import_markdown(owner, folder)
    assert await contents(owner) == before
    assert counted(first) == counted(second)
    assert (first.totals.posts, first.totals.images, first.totals.unchanged) == (60, 1, 0)
    assert second.totals.unchanged == 60
    assert first.rejections == second.rejections
    assert [rejection.path for rejection in first.rejections] == ["bad.md"]
    assert first.totals.refused == 1


async def test_contents_detects_a_change(owner: Context) -> None:
    before = await contents(owner)
    await owner.db.execute(tables.users.update().values(age=7))
    assert await contents(owner) != before


async def test_a_dry_run_writes_nothing_and_reports_the_same(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "---\nauthor: Ada\n---\n![x](pic.png) ![y](no.png)", "pic.png": png(), "b.md": "\0"})
    before = await contents(owner)
    dry = await import_markdown(owner, folder, dry_run=True)
    assert await contents(owner) == before
    assert not owner.site.settings.media_dir.exists()
    assert dry == await import_markdown(owner, folder)


async def test_a_changed_file_becomes_a_new_version(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "---\nauthor: Ada\ntitle: One\n---\nfirst", "b.md": "same"})
    await import_markdown(owner, folder)
    old = await posts.get_by_slug(owner, "a")
    make_files({"a.md": "---\nauthors: [Bo, Ada]\ntitle: Two\ntags: [new]\n---\nsecond"})
    report = await import_markdown(owner, folder)
    post = await posts.get_by_slug(owner, "a")
    assert (post.id, post.version, post.title, post.content, post.tags) == (old.id, 2, "Two", "second", ("new",))
    assert author_names(post) == ["Bo", "Ada"]
    assert post.published_at == old.published_at
    assert (report.totals.posts, report.totals.unchanged, report.totals.refused) == (2, 1, 0)
    assert (await import_markdown(owner, folder)).totals.unchanged == 2


async def test_a_changed_slug_changes_the_url_and_the_old_one_redirects(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "---\nslug: one\n---\n", "b.md": "---\nslug: two\n---\n"})
    await import_markdown(owner, folder)
    for slug, expected in (("one-more", "one-more"), ("two", "two-2"), ("one", "one"), ("on", "on")):
        make_files({"a.md": f"---\nslug: {slug}\n---\n"})
        await import_markdown(owner, folder)
        assert (await posts.get_by_slug(owner, "one")).slug == expected


async def test_posts_edited_in_the_blog_are_not_overwritten(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "first", "b.md": "x"})
    await import_markdown(owner, folder)
    post = await posts.get_by_slug(owner, "a")
    await posts.edit(owner, post.id, PostChanges(content="by hand"))
    assert (await import_markdown(owner, folder)).totals.unchanged == 2
    make_files({"a.md": "second"})
    report = await import_markdown(owner, folder)
    assert list(map(str, report.rejections)) == [f"a.md:1: {EDITED_IN_BLOG}"]
    assert (report.totals.posts, report.totals.unchanged, report.totals.refused) == (2, 1, 1)
    assert (await posts.get_by_slug(owner, "a")).content == "by hand"


async def test_posts_deleted_in_the_blog_are_not_restored(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "x", "b.md": "y"})
    await import_markdown(owner, folder)
    await posts.delete(owner, (await posts.get_by_slug(owner, "a")).id)
    report = await import_markdown(owner, folder)
    assert list(map(str, report.rejections)) == [f"a.md:1: {DELETED_IN_BLOG}"]
    assert (report.totals.posts, report.totals.unchanged) == (1, 1)


async def test_a_renamed_folder_and_moved_files_are_recognised(owner: Context, make_files: MakeFiles, tmp_path: Path) -> None:
    folder = make_files({"x/same.md": "twin", "y/same.md": "twin", "a.md": "one", "z.md": "z"})
    await import_markdown(owner, folder)
    ids = {row["source"]: row["post_id"] for row in await owner.db.fetch_all(sa.select(tables.import_records))}
    moved = folder.rename(tmp_path / "blog")
    shutil.move(moved / "a.md", moved / "x" / "a.md")
    posts_before = await owner.db.fetch_all(sa.select(tables.posts))
    report = await import_markdown(owner, moved)
    assert (report.totals.posts, report.totals.unchanged) == (4, 4)
    assert len(await owner.db.fetch_all(sa.select(tables.posts))) == len(posts_before) == 4
    now = {row["source"]: row["post_id"] for row in await owner.db.fetch_all(sa.select(tables.import_records))}
    for path, old in (("x/same.md", "x/same.md"), ("y/same.md", "y/same.md"), ("x/a.md", "a.md"), ("z.md", "z.md")):
        assert now[f"blog/{path}"] == ids[f"site/{old}"]
    before = await contents(owner)
    assert (await import_markdown(owner, moved)).totals.unchanged == 4
    assert await contents(owner) == before


async def test_equal_files_in_one_folder_are_two_posts(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({f"{n:02}/same.md": "twin" for n in range(BATCH_SIZE + 2)})
    assert (await import_markdown(owner, folder)).totals.unchanged == 0
    report = await import_markdown(owner, folder)
    assert (report.totals.posts, report.totals.unchanged) == (BATCH_SIZE + 2, BATCH_SIZE + 2)
    assert await owner.db.fetch_val(sa.select(sa.func.count()).select_from(tables.posts)) == BATCH_SIZE + 2


async def test_colliding_slugs_get_the_language_then_a_number(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files(
        {f"{place}/news.md": f"---\nlang: {lang}\n---\n{place}" for place, lang in (("a", "ja"), ("b", "zh_tw"), ("c", "zh_tw"))}
        | {"d/news.md": "no language", "e/old.md": "---\naliases: [/news/, /fresh/]\n---\n"}
    )
    report = await import_markdown(owner, folder)
    contents = [(await posts.get_by_slug(owner, slug)).content for slug in ("news", "news-zh-tw", "news-zh-tw-2", "news-2")]
    assert contents == ["a", "b", "c", "no language"]
    assert (await posts.get_by_slug(owner, "fresh")).slug == "old"
    assert warnings(report) == ("e/old.md: the old URL news already belongs to another post",)


async def test_an_old_url_does_not_take_the_slug_of_a_later_post(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "---\naliases: [/b/]\n---\n", "b.md": "b"})
    await import_markdown(owner, folder)
    assert (await posts.get_by_slug(owner, "b")).content == "b"


async def test_authors_are_accounts_that_cannot_sign_in(owner: Context, make_files: MakeFiles) -> None:
    names = ["18F", "jackpot51", "Jackpot51", "Jackpot51 & Ticki", "山田 太郎", "हिन्दी", "a@b.c (Page Author)", "!!!", "GRACE"]
    folder = make_files(
        {"a.md": f"---\nauthors: {json.dumps(names, ensure_ascii=False)}\n---\n", "b.md": "---\nauthor: 18F\n---\n"}
    )
    report = await import_markdown(owner, folder)
    assert (report.totals.authors, report.totals.author_assignments) == (9, 10)
    post = await posts.get_by_slug(owner, "a")
    assert author_names(post) == [
        "18F", "jackpot51", "Jackpot51-2", "Jackpot51-Ticki", "山田-太郎", "हिन्दी", "a-b-c-Page-Author", "author", "grace",
    ]  # fmt: skip
    assert [byline.name for byline in post.authors] == [*names[:-1], "grace"]
    made = await owner.db.fetch_all(sa.select(tables.users).where(tables.users.c.username != "grace"))
    assert {(row["role"], row["email"], row["password_hash"]) for row in made} == {("author", None, None)}
    other = make_files({"more/c.md": f"---\nauthors: {json.dumps(names[::-1], ensure_ascii=False)}\n---\n"}) / "more"
    before = await usernames(owner)
    await import_markdown(owner, other)
    assert await usernames(owner) == before
    assert (await posts.get_by_slug(owner, "c")).authors == post.authors[::-1]


async def test_posts_are_not_assigned_to_a_reader_with_the_name(
    owner: Context, make_user: MakeUser, make_files: MakeFiles
) -> None:
    await make_user("melody", Role.READER)
    await import_markdown(owner, make_files({"a.md": "---\nauthor: melody\n---\n"}))
    assert author_names(await posts.get_by_slug(owner, "a")) == ["melody-2"]


async def test_an_author_with_a_password_stays_the_same(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "---\nauthor: Ron Williams\n---\n"})
    await import_markdown(owner, folder)
    await owner.db.execute(tables.users.update().where(tables.users.c.name == "Ron Williams").values(password_hash="x"))
    make_files({"b.md": "---\nauthor: Ron Williams\n---\n"})
    await import_markdown(owner, folder)
    assert author_names(await posts.get_by_slug(owner, "b")) == ["Ron-Williams"]


def test_usernames_have_at_most_fifty_characters() -> None:
    assert username_from_name("x" * 49 + " y") == "x" * 49


async def test_images_of_the_folder_are_stored_and_linked(owner: Context, make_files: MakeFiles, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    body = (
        '![a](pic.png "t") [![b](/assets/b%20c.png)](/assets/b%20c.png#x) <img alt="" src="../p/pic.png"> ![r][r]\n\n'
        "![out](../../secret.png) ![none](none.png) ![bad](bad.png) ![far](https://x.org/a.png) [doc](pic.pdf)\n"
        "{% image 'assets/b c.png' 'd' %} `![code](pic.png)`\n\n```\n![code](pic.png)\n```\n\n[r]: </assets/b%20c.png>\n"
    )
    files: dict[str, str | bytes] = {"p/post.md": body, "q/other.md": "![again](/assets/b%20c.png)"}
    folder = make_files(files | {"p/pic.png": png(1), "assets/b c.png": png(2), "p/bad.png": b"no image", "p/pic.pdf": "x"})
    report = await import_markdown(owner, folder, media_url="/m/")
    stored = {path.read_bytes(): f"/m/{path.name}" for path in owner.site.settings.media_dir.iterdir()}
    one, two = stored[png(1)], stored[png(2)]
    assert (len(stored), report.totals.images) == (2, 2)
    assert (await posts.get_by_slug(owner, "post")).content == (
        f'![a]({one} "t") [![b]({two})]({two}) <img alt="" src="{one}"> ![r][r]\n\n'
        "![out](../../secret.png) ![none](none.png) ![bad](bad.png) ![far](https://x.org/a.png) [doc](pic.pdf)\n"
        f"![d]({two}) `![code](pic.png)`\n\n```\n![code](pic.png)\n```\n\n[r]: {two}\n"
    )
    assert warnings(report) == (
        "p/post.md: image ../../secret.png is not in the folder: URL left unchanged",
        "p/post.md: image none.png is not in the folder: URL left unchanged",
        "p/post.md: image bad.png: This file isn't a readable PNG, JPEG, WebP, GIF or AVIF image: URL left unchanged",
    )


async def test_a_lost_image_is_stored_again(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "![a](pic.png)", "pic.png": pictures.png(1000, 10)})  # with copies of 960 and 480 pixels
    media_dir = owner.site.settings.media_dir
    await import_markdown(owner, folder)
    names = {path.name for path in media_dir.iterdir()}
    assert len(names) == 3
    for lost in (names, *({name} for name in names)):
        for name in lost:
            (media_dir / name).unlink()
        assert (await import_markdown(owner, folder)).totals.unchanged == 1
        assert {path.name for path in media_dir.iterdir()} == names


async def test_names_are_normalised(owner: Context, make_files: MakeFiles) -> None:
    tags = ["caf\u00e9", "cafe\u0301", "CAF\u00c9\u200b", "\u3164", "a\u00a0 b", "a b"]
    front_matter = {"title": "One\u00a0 two\u200b", "authors": ["Rene\u0301e", "Ren\u00e9e", "\u2800"], "tags": tags}
    report = await import_markdown(
        owner, make_files({"a.md": f"---\n{json.dumps(front_matter)}\n---\n", "b.md": '---\ntitle: "\\u3164"\n---\n'})
    )
    post = await posts.get_by_slug(owner, "a")
    assert (post.title, post.tags, author_names(post)) == ("One two", ("caf\u00e9", "a b"), ["Ren\u00e9e"])
    assert (await posts.get_by_slug(owner, "b")).title == "B"
    assert (report.totals.tags, report.totals.authors) == (3, 1)


async def test_tags_over_the_limits_are_reported(owner: Context, make_files: MakeFiles) -> None:
    tags = [f"t{n}" for n in range(31)] + ["x" * 60]
    report = await import_markdown(owner, make_files({"a.md": f"---\ntags: {json.dumps(tags)}\n---\n"}))
    assert (await posts.get_by_slug(owner, "a")).tags == tuple(tags[:30])
    assert report.totals.tag_assignments == 32
    assert [warning.partition(" was left out")[0] for warning in warnings(report)[1:]] == [
        "a.md: the tag 't30'", f"a.md: the tag '{'x' * 50}'",
    ]  # fmt: skip


async def test_posts_grown_over_the_limit_are_rejected_without_warnings(owner: Context, make_files: MakeFiles) -> None:
    images = "![](gone.png)\n![](pic.png)\n"
    body = images + "x" * (MAX_CONTENT_BYTES - len(images))  # the URL of the stored image is longer than `pic.png`
    report = await import_markdown(owner, make_files({"long.md": body, "short.md": images, "pic.png": png()}))
    assert list(map(str, report.rejections)) == [f"long.md:1: {source.TOO_LONG}"]
    assert warnings(report) == ("short.md: image gone.png is not in the folder: URL left unchanged",)
    assert report.totals.posts == 1


async def test_progress_starts_at_zero_and_counts_batches(owner: Context, make_files: MakeFiles) -> None:
    seen: list[tuple[int, int]] = []
    folder = make_files({f"{n:03}.md": "x" for n in range(2 * BATCH_SIZE + 1)})
    await import_markdown(owner, folder, progress=lambda done, total: seen.append((done, total)))
    total = 2 * BATCH_SIZE + 1
    assert seen == [(0, total), (BATCH_SIZE, total), (2 * BATCH_SIZE, total), (total, total)]


async def test_an_interrupted_run_is_completed_by_the_next(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({f"{n:03}.md": f"---\naliases: [/was-{n}/]\n---\n{n}" for n in range(2 * BATCH_SIZE + 1)})

    def stop(done: int, total: int) -> None:
        if done == BATCH_SIZE:
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        await import_markdown(owner, folder, progress=stop)
    assert await owner.db.fetch_val(sa.select(sa.func.count()).select_from(tables.posts)) == BATCH_SIZE
    report = await import_markdown(owner, folder)
    assert (report.totals.posts, report.totals.unchanged) == (2 * BATCH_SIZE + 1, BATCH_SIZE)
    for n in range(2 * BATCH_SIZE + 1):
        assert (await posts.get_by_slug(owner, f"was-{n}")).slug == f"{n:03}"


async def test_a_failed_batch_is_rolled_back(owner: Context, make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_files({"a.md": "---\nauthor: Ada\n---\n", "b.md": "x"})
    before = await contents(owner)
    insert = post_writes.insert

    async def broken(*args: Any, **options: Any) -> Any:
        if args[1].content.slug == "b":
            raise RuntimeError("disk")
        return await insert(*args, **options)

    monkeypatch.setattr(post_writes, "insert", broken)
    with pytest.raises(RuntimeError):
        await import_markdown(owner, folder)
    assert await contents(owner) == before


async def test_concurrent_imports_import_once(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files({"a.md": "x", "b.md": "y"})
    nested: list[ImportReport] = []
    original = owner.db.transaction

    class Once:
        """A transaction that runs another import first, after the batch was planned and before it is written."""

        async def __aenter__(self) -> None:
            owner.db.transaction = original  # type: ignore[method-assign]
            nested.append(await import_markdown(owner, folder))
            self.transaction = owner.db.transaction()
            await self.transaction.__aenter__()

        async def __aexit__(self, *error: Any) -> None:
            await self.transaction.__aexit__(*error)

    owner.db.transaction = lambda: Once()  # type: ignore[method-assign, assignment, misc]
    report = await import_markdown(owner, folder)
    assert (nested[0].totals.posts, report.totals.posts) == (2, 2)
    assert await owner.db.fetch_val(sa.select(sa.func.count()).select_from(tables.posts)) == 2


@pytest.mark.parametrize(("action", "reason"), [("edit", EDITED_IN_BLOG), ("delete", DELETED_IN_BLOG)])
async def test_changes_in_the_blog_while_a_file_is_rendered_are_not_overwritten(
    owner: Context, make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch, action: str, reason: str
) -> None:
    folder = make_files({"a.md": "first"})
    await import_markdown(owner, folder)
    post = await posts.get_by_slug(owner, "a")
    make_files({"a.md": "second"})
    rewrite = post_writes.overwrite

    async def meanwhile(*args: Any, **options: Any) -> Any:
        if action == "edit":
            await posts.edit(owner, post.id, PostChanges(content="by hand"))
        else:
            await posts.delete(owner, post.id)
        return await rewrite(*args, **options)

    monkeypatch.setattr(post_writes, "overwrite", meanwhile)
    report = await import_markdown(owner, folder)
    assert list(map(str, report.rejections)) == [f"a.md:1: {reason}"]


async def test_import_needs_an_account_and_a_folder(ctx: Context, owner: Context, tmp_path: Path) -> None:
    with pytest.raises(NotAuthenticated):
        await import_markdown(ctx, tmp_path)
    with pytest.raises(InvalidInput):
        await import_markdown(owner, tmp_path / "absent")


async def test_imported_excerpt_can_be_changed(owner: Context, make_files: MakeFiles) -> None:
    text = "---\ndate: 2020-01-01\ndescription: In short\n---\nThe text."
    folder = make_files({"a.md": text, "b.md": text, "c.md": text})
    await import_markdown(owner, folder)
    for slug, change, excerpt in (("a", None, "New text."), ("b", "Shorter", "Shorter")):
        post = await posts.get_by_slug(owner, slug)
        assert (post.excerpt, post.custom_excerpt) == ("In short", "In short")
        rewritten = await posts.edit(owner, post.id, PostChanges(content="New text."))
        assert rewritten.excerpt == "In short", "an excerpt stays until its author changes it"
        assert (await posts.edit(owner, post.id, PostChanges(custom_excerpt=change))).excerpt == excerpt
    make_files({"c.md": "---\ndate: 2020-01-01\n---\nNew text."})
    await import_markdown(owner, folder)
    assert (await posts.get_by_slug(owner, "c")).excerpt == "New text."


async def test_empty_post_is_imported_and_stays_editable(owner: Context, make_files: MakeFiles) -> None:
    report = await import_markdown(owner, make_files({"a.md": "---\ntitle: A\ndate: 2020-01-01\n---\n"}))
    post = await posts.get_by_slug(owner, "a")
    assert (report.totals.posts, post.status, post.content) == (1, PostStatus.PUBLISHED, "")
    assert (await posts.edit(owner, post.id, PostChanges(title="B"))).title == "B"
    await posts.edit(owner, post.id, PostChanges(status=PostStatus.DRAFT))
    with pytest.raises(InvalidInput):
        await posts.edit(owner, post.id, PostChanges(status=PostStatus.PUBLISHED))


async def test_images_have_smaller_copies(
    owner: Context, make_files: MakeFiles, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 1500), "teal").save(buffer, "JPEG")
    files = {name: f"---\ndate: 2020-01-01\n---\n![A loom](loom.jpg)\n\n{name}" for name in ("a.md", "b.md")}
    folder = make_files(files | {"loom.jpg": buffer.getvalue()})
    await import_markdown(owner, folder)
    (row,) = await owner.db.fetch_all(sa.select(tables.media))
    assert (row["user_id"], row["width"]) == (owner.require_actor().id, 2000)
    assert [copy["width"] for copy in row["variants"]] == [1600, 960, 480]
    assert all(owner.site.storage.local_path(copy["name"]) for copy in row["variants"])
    page = (await client.get("/posts/a")).text
    assert re.search(r'srcset="/media/\w+.webp 480w, /media/\w+.webp 960w, /media/\w+.webp 1600w, /media/\w+.jpg 2000w"', page)
    monkeypatch.setattr(image_processing, "_make_variants", None)  # a second run makes no copies
    await import_markdown(owner, folder)
    assert len(await owner.db.fetch_all(sa.select(tables.media))) == 1
