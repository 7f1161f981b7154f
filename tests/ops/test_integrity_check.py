"""`blog check` finds each kind of damage, says what to do, and repairs what can be repaired."""

import datetime as dt
import io
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.domain.comments import comments
from blog.domain.core import event_retention, events
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import posts
from blog.ops.integrity_check import CHECKS, check_site
from blog.schemas.comments import NewComment
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost, PostChanges
from tests.support.optional import unwrap
from tests.support.pictures import png
from tests.support.serving import blog

HOUR = 3600


@pytest.fixture
async def filled(author: Context) -> Context:
    """Return the context of a blog without damage, with everything that can be damaged."""
    image, _ = await media.upload(author, io.BytesIO(png(1000, 10)), NewMedia(alt=""))
    post = await posts.create(author, NewPost(title="Hello", content=f"![x](/media/{image.name})", tags=["Maths"]))
    await posts.create(author, NewPost(title="Other", content="Words", tags=["maths"]))
    await comments.create(author, post.id, NewComment(content="Good"))
    await posts.edit(author, post.id, PostChanges(tags=["Maths", "Logic"]))
    await posts.edit(author, post.id, PostChanges(tags=["Maths"]))
    await posts.delete(author, (await posts.create(author, NewPost(title="Gone", content="Words"))).id)
    assert await check_site(author) == []
    return author


async def sql(ctx: Context, *statements: str) -> None:
    """Run statements without foreign key checks."""
    if ctx.db.kind == "postgresql":
        statements = ("SET LOCAL session_replication_role = replica", *statements)
    else:
        await ctx.db.execute("PRAGMA foreign_keys=OFF")
    async with ctx.db.transaction():
        for statement in statements:
            await ctx.db.execute(statement)


async def file_of(ctx: Context) -> tuple[Path, Path]:
    """Return the image file, and its smaller copy."""
    row = unwrap(await ctx.db.fetch_one(sa.select(tables.media)))
    folder = ctx.site.settings.media_dir
    return folder / row["name"], folder / row["variants"][0]["name"]


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


# -- each way to damage a blog, the message, and whether it can be repaired


async def lost_index_entry(ctx: Context) -> None:
    async with ctx.db.transaction():
        await fulltext.remove(ctx.db, 2)


async def outdated_index_entry(ctx: Context) -> None:
    async with ctx.db.transaction():
        await fulltext.index(ctx.db, 2, title="Other", names="maths", body=fulltext.index_text("Other words"))


async def left_over_index_entry(ctx: Context) -> None:
    async with ctx.db.transaction():
        await fulltext.index(ctx.db, 3, title="Gone", names="", body=fulltext.index_text("Words"))


async def broken_index(ctx: Context) -> None:
    if ctx.db.kind == "postgresql":
        await sql(ctx, "UPDATE posts_fts SET body_words = ' meddled ' WHERE post_id = 1")
    else:
        await sql(ctx, "DELETE FROM posts_fts_idx", "UPDATE posts_fts_content SET c4 = 'meddled' WHERE id = 1")


async def wrong_count(ctx: Context) -> None:
    await sql(ctx, "UPDATE posts SET comment_count = 7 WHERE id = 1")


async def unused_tag(ctx: Context) -> None:
    await sql(ctx, "INSERT INTO tags (name, name_folded) VALUES ('Old', 'old')")


async def unrendered_post(ctx: Context) -> None:
    await sql(ctx, "UPDATE posts SET html = '' WHERE id = 2")


async def unrendered_comment(ctx: Context) -> None:
    await sql(ctx, "UPDATE comments SET html = ''")


async def lost_version(ctx: Context) -> None:
    await sql(ctx, "DELETE FROM revision_authors WHERE post_id = 1 AND version = 2")
    await sql(ctx, "DELETE FROM revisions WHERE post_id = 1 AND version = 2")


async def lost_address(ctx: Context) -> None:
    await sql(ctx, "DELETE FROM post_slugs WHERE slug = 'hello'")


async def lost_author(ctx: Context) -> None:
    await sql(ctx, "DELETE FROM post_authors WHERE post_id = 2")


async def lost_row(ctx: Context) -> None:
    await sql(ctx, "INSERT INTO post_tags SELECT id, 99, 5, published_at FROM posts WHERE id = 1")


async def lost_event(ctx: Context) -> None:
    await sql(ctx, "DELETE FROM events WHERE id IN (2, 3)")


async def event_before_the_floor(ctx: Context) -> None:
    await sql(ctx, "INSERT INTO app_metadata VALUES ('trimmed_event', '2')")


async def log_that_ends_before_it_begins(ctx: Context) -> None:
    await sql(ctx, "DELETE FROM events", "INSERT INTO app_metadata VALUES ('trimmed_event', '99')")


async def lost_file(ctx: Context) -> None:
    (await file_of(ctx))[0].unlink()


async def lost_copy(ctx: Context) -> None:
    (await file_of(ctx))[1].unlink()


async def rotten_file(ctx: Context) -> None:
    file, _ = await file_of(ctx)
    file.write_bytes(file.read_bytes()[:-1] + b"?")


async def short_file(ctx: Context) -> None:
    file, _ = await file_of(ctx)
    file.write_bytes(file.read_bytes()[:-1])


async def unused_file(ctx: Context) -> None:
    """Leave a file as an upload that failed some time ago does."""
    picture = await media.process_upload(ctx, io.BytesIO(png(7, 7)))
    aged(ctx.site.settings.media_dir / picture.main.name, 2 * HOUR)


async def unfinished_file(ctx: Context) -> None:
    path = ctx.site.settings.media_dir / ".unfinished-abc"
    path.write_bytes(b"half")
    aged(path, 2 * HOUR)


async def wrong_date(ctx: Context) -> None:
    await sql(ctx, "UPDATE post_tags SET listed_at = NULL WHERE post_id = 1")
    await sql(ctx, "UPDATE post_authors SET listed_at = CURRENT_TIMESTAMP WHERE post_id = 1")


async def unreadable_preference(ctx: Context) -> None:
    row = {"name": "time_zone", "value": "Mars/Olympus", "user_id": None, "updated_at": ctx.now}
    await ctx.db.execute(tables.site_preferences.insert().values(row))


DAMAGES = [
    (unreadable_preference, "Site settings that cannot be read: time_zone.", False),
    (lost_index_entry, "Posts missing from the search index: 1 (other)", True),
    (outdated_index_entry, "Posts outdated in the search index: 1 (other)", True),
    (left_over_index_entry, "Search index entries of deleted posts: 1", True),
    (wrong_count, "Posts with a wrong comment count: 1 (hello)", True),
    (wrong_date, "Posts listed under a wrong date: 1 (hello)", True),
    (unused_tag, "Tags without a post: 1 (Old)", True),
    (unrendered_comment, "Comments without HTML: 1 (id 1)", True),
    (lost_version, "Posts that lack some of their versions: 1 (hello)", False),
    (lost_address, "Posts that lack their slug: 1 (hello)", False),
    (lost_row, "A row of post_tags refers to a missing row of tags", False),
    (lost_event, "Events missing from the log: 2", True),
    (event_before_the_floor, "The event log does not start at the recorded position", True),
    (log_that_ends_before_it_begins, "The event log does not start at the recorded position", True),
    (lost_copy, "Files of the image with id 1 are missing", False),
    (unused_file, "Unused image files: 1, ", True),
    (unfinished_file, "Incomplete image files: 1", True),
]


@pytest.mark.parametrize(("damage", "words", "is_repairable"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
async def test_damage_is_reported_and_repaired_where_nothing_is_lost(
    filled: Context, damage: Callable[[Context], Awaitable[None]], words: Any, is_repairable: bool
) -> None:
    await damage(filled)
    (fault,) = await check_site(filled)
    assert words in str(fault)
    assert str(fault).endswith("run `blog check --repair`") == is_repairable
    assert (fault.repair is not None) == is_repairable
    if fault.repair:
        await fault.repair()
        assert await check_site(filled) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lost_file, ["Files of the image with id 1 are missing", "Images of the post hello are missing"]),
        (rotten_file, ["Damaged image files: 1"]),
        (short_file, ["does not have", "Damaged image files: 1"]),
        (lost_author, ["Posts that lack their author: 1 (other)", "Posts outdated in the search index: 1 (other)"]),
        (unrendered_post, ["Posts without HTML: 1 (id 2)", "Posts outdated in the search index: 1 (other)"]),
        (broken_index, ["outdated in the search index: 1 (hello)", "The search index is damaged"]),
    ],
)
async def test_damage_is_reported_with_its_consequences(
    filled: Context, damage: Callable[[Context], Awaitable[None]], words: Any
) -> None:
    await damage(filled)
    found = [str(fault) for fault in await check_site(filled)]
    assert len(found) == len(words)
    for fault, expected in zip(sorted(found), sorted(words), strict=True):
        assert any(expected in text for text in found), fault


async def test_damaged_index_is_rebuilt(filled: Context) -> None:
    await broken_index(filled)
    for fault in await check_site(filled):
        await unwrap(fault.repair)()
    for fault in await check_site(filled):  # what was meddled with is seen once the index can be read
        await unwrap(fault.repair)()
    assert await check_site(filled) == []


async def test_new_files_are_not_reported_as_unused(filled: Context) -> None:
    await media.process_upload(filled, io.BytesIO(png(7, 7)))
    (filled.site.settings.media_dir / ".unfinished-abc").write_bytes(b"half")
    assert await check_site(filled) == []


async def test_unused_files_are_found_and_used_files_stay(filled: Context) -> None:
    file, copy = await file_of(filled)
    for path in (file, copy):
        aged(path, 2 * HOUR)
    await media.delete(filled, 1)
    assert file.exists(), "a post shows it"
    assert not copy.exists()
    assert await check_site(filled) == []


async def test_stored_again_file_counts_as_new(filled: Context) -> None:
    await unused_file(filled)
    assert len(await check_site(filled)) == 1
    await media.process_upload(filled, io.BytesIO(png(7, 7)))
    assert await check_site(filled) == []


async def test_gap_in_the_log_is_repaired_by_trimming(filled: Context) -> None:
    end = await events.position(filled.db)
    await lost_event(filled)
    (fault,) = await check_site(filled)
    await unwrap(fault.repair)()
    assert await event_retention.trimmed_up_to(filled.db) == 3
    assert await event_retention.trimmed_in_channels(filled.db, ["comments"]) == 3, "any channel may have lost events"
    assert [event.id for event in await events.after(filled.db, 0)] == list(range(4, end.id + 1))


async def test_tag_is_removed_with_its_last_post_and_adopts_the_next_spelling(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", tags=["maths"]))
    other = await posts.create(author, NewPost(title="B", content="x", tags=["Maths"]))
    await posts.edit(author, post.id, PostChanges(tags=[]))
    assert (await posts.get(author, other.id)).tags == ("maths",)
    await posts.edit(author, other.id, PostChanges(tags=[]))
    await posts.edit(author, other.id, PostChanges(tags=["Maths"]))
    assert (await posts.get(author, other.id)).tags == ("Maths",)
    assert await check_site(author) == []


async def test_many_posts_are_checked_in_batches_with_progress(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.domain.integrity.search_index.BATCH_SIZE", 2)
    for number in range(5):
        await posts.create(author, NewPost(title=f"Post {number}", content="x"))
    await sql(author, "DELETE FROM posts_fts")
    steps: list[tuple[str, int, int]] = []
    (fault,) = await check_site(author, lambda *step: steps.append(step))
    assert str(fault).startswith("Posts missing from the search index: 5 (post-0, post-1,")
    assert [done for part, done, total in steps if part == "Search index"] == [2, 4, 5]
    assert set(Counter(part for part, _, _ in steps)) == {name for name, _ in CHECKS} - {"Images"}, "there are no images"


@pytest.mark.sqlite
async def test_check_changes_nothing(filled: Context) -> None:
    before = filled.site.settings.database_path.with_name("blog.db-wal").stat().st_size
    assert await check_site(filled) == []
    assert filled.site.settings.database_path.with_name("blog.db-wal").stat().st_size == before
    assert filled.now < dt.datetime.now(dt.UTC)


def test_check_command_reports_repairs_and_sets_the_exit_code(tmp_path: Path) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    unused = tmp_path / "media" / f"{'0' * 64}.png"
    unused.parent.mkdir()
    unused.write_bytes(b"x")
    aged(unused, 2 * HOUR)
    found = blog(tmp_path, "check")
    assert (found.returncode, found.stdout, unused.exists()) == (1, "", True)
    assert "Unused image files: 1, 1 bytes: run `blog check --repair`\n" in found.stderr
    assert "Damaged image files: 1" in found.stderr, "a name is the digest of the content"
    unused.rename(unused.with_name("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881.png"))  # that of `x`
    repaired = blog(tmp_path, "check", "--repair")
    assert (repaired.returncode, repaired.stdout) == (0, "No problems found.\n")
    assert "Repaired: Unused image files: 1" in repaired.stderr
    assert list(unused.parent.iterdir()) == []
