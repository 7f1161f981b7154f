"""History and comparison of versions, edit conflicts, presence, and restoring deleted posts."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio.to_thread
import pytest

from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import diffs, edit_conflicts, history, post_lists, posts, presence, revisions
from blog.domain.posts.edit_conflicts import EditConflict
from blog.domain.posts.post_content import content_of
from blog.domain.posts.post_filter import PostFilter
from blog.domain.read_models import dashboard
from blog.errors import Conflict, Forbidden, NotAuthenticated, NotFound
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.text.diff import SegmentKind, WordCount
from blog.text.formats import formats
from tests.conftest import MakeUser
from tests.support.posts import make_content

POEM = "one\ntwo\nthree\nfour\nfive\n"


@pytest.fixture
async def eve(ctx: Context, make_user: MakeUser) -> Context:
    """The context of an editor."""
    return ctx.acting_as(accounts.as_actor(await make_user("eve", Role.EDITOR)))


@pytest.fixture
async def bob(ctx: Context, make_user: MakeUser) -> Context:
    """The context of an author without posts."""
    return ctx.acting_as(accounts.as_actor(await make_user("bob")))


async def test_history_summarises_each_version(author: Context, eve: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="one two", tags=["x"]))
    await posts.edit(eve, post.id, PostChanges(content="one three four"))
    await posts.edit(author, post.id, PostChanges(title="B", tags=["y"], slug="b", status=PostStatus.DRAFT))
    page = await history.list_page(author, post.id)
    assert [(step.revision.version, step.revision.editor, step.word_count, list(step.changed_fields)) for step in page.items] == [
        (3, "ada", WordCount(0, 0), ["title", "tags", "URL slug", "status"]),
        (2, "eve", WordCount(2, 1), []),
        (1, "ada", WordCount(2, 0), []),
    ]
    assert page.next is None


async def test_history_is_paged_and_each_page_knows_the_previous_version(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="word"))
    for number in range(4):
        await posts.edit(author, post.id, PostChanges(content="word " * (number + 2)))
    first = await history.list_page(author, post.id, limit=3)
    second = await history.list_page(author, post.id, limit=3, after=first.next)
    assert [step.revision.version for step in (*first.items, *second.items)] == [5, 4, 3, 2, 1]
    assert [step.word_count for step in (*first.items, *second.items)] == [WordCount(1, 0)] * 5
    assert second.next is None


async def test_history_needs_the_permission_to_edit(author: Context, bob: Context, ctx: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    for look in (history.list_page, lambda who, post_id: history.compare(who, post_id, 1, 1)):
        with pytest.raises(Forbidden):
            await look(bob, post.id)
        with pytest.raises(NotAuthenticated):
            await look(ctx, post.id)
    with pytest.raises(NotFound):
        await history.compare(author, post.id, 1, 2)


async def test_comparison_is_from_the_older_to_the_newer_version(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="It weaves.", tags=["x", "y"]))
    await posts.edit(author, post.id, PostChanges(content="It weaves well.", tags=["x", "z"]))
    for pair in ((1, 2), (2, 1)):
        found = await history.compare(author, post.id, *pair)
        assert (found.older.version, found.newer.version) == (1, 2)
        (stretch,) = found.diff.text
        assert [
            (piece.kind, piece.text) for line in stretch.lines for piece in line if piece.kind is not SegmentKind.UNCHANGED
        ] == [(SegmentKind.INSERTED, " well")]
        (tags,) = (changed.segments for changed in found.diff.fields if changed.field.name == "tags")
        assert [(piece.kind.value, piece.text) for piece in tags] == [
            ("unchanged", "x"), ("deleted", "y"), ("inserted", "z"),
        ]  # fmt: skip
    assert (await history.compare(author, post.id, 2, 2)).diff.is_empty


async def test_long_diff_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.domain.posts.diffs.MAX_SEGMENTS", 10)
    old = make_content()
    new = replace(old, content="".join(f"line {number}\n" for number in range(25)))
    found = await diffs.compare(old, new, formats("en", "UTC"))
    assert (sum(len(stretch.lines) for stretch in found.text), found.omitted_lines) == (10, 15)
    one_line = replace(old, content="x")
    assert (await diffs.compare(old, one_line, formats("en", "UTC"))).omitted_lines == 0


async def conflict_of(author: Context, eve: Context, mine: dict[str, Any], theirs: dict[str, Any], **fields: Any) -> EditConflict:
    """Return the conflict of `mine`, submitted by ada on version 1, with `theirs`, saved by eve."""
    post = await posts.create(author, NewPost(title="A", content=POEM, **fields))
    after = await posts.edit(eve, post.id, PostChanges(**theirs))
    typed = {"title": "A", "content": POEM, "tags": [], "slug": "a", "status": PostStatus.PUBLISHED} | fields | mine
    return await edit_conflicts.describe(author, after, PostChanges(**typed), 1)


async def test_changes_of_different_lines_and_fields_are_merged(author: Context, eve: Context) -> None:
    conflict = await conflict_of(
        author,
        eve,
        {"content": POEM.replace("one", "ONE"), "tags": ["x"]},
        {"content": POEM.replace("five", "FIVE"), "title": "B", "slug": "b", "status": PostStatus.DRAFT},
    )
    assert conflict.overlapping == ()
    assert conflict.merged == replace(conflict.theirs, content="ONE\ntwo\nthree\nfour\nFIVE\n", tags=("x",))
    assert (conflict.merged.title, conflict.merged.slug, conflict.merged.status) == ("B", "b", PostStatus.DRAFT)
    assert conflict.base is not None
    assert conflict.latest is not None
    assert (conflict.base.version, conflict.latest.version, conflict.latest.editor) == (1, 2, "eve")
    assert (conflict.theirs.content, conflict.mine.content) == (POEM.replace("five", "FIVE"), POEM.replace("one", "ONE"))


SOON, LATER = (dt.datetime(2040, 1, day, 10, tzinfo=dt.UTC) for day in (1, 2))


@pytest.mark.parametrize(
    ("mine", "theirs", "touching"),
    [
        ({"content": "mine"}, {"content": "theirs"}, ["the same lines of the body"]),
        ({"title": "B"}, {"title": "C"}, ["the title"]),
        ({"tags": ["b"], "slug": "b"}, {"tags": ["c"], "slug": "c"}, ["the tags", "the URL slug"]),
        ({"status": PostStatus.DRAFT}, {"status": PostStatus.SCHEDULED, "publish_at": SOON}, ["the status"]),
        ({"title": "B"}, {"title": "B"}, None),
        ({"status": PostStatus.DRAFT}, {"status": PostStatus.DRAFT}, None),
    ],
)
async def test_conflicting_changes_are_reported(
    author: Context, eve: Context, mine: dict[str, Any], theirs: dict[str, Any], touching: list[str] | None
) -> None:
    conflict = await conflict_of(author, eve, mine, theirs)
    assert list(conflict.overlapping) == (touching or [])
    assert (conflict.merged is None) is (touching is not None)


@pytest.mark.parametrize(
    ("mine", "theirs", "merged"),
    [
        (SOON, SOON + dt.timedelta(seconds=30), SOON + dt.timedelta(seconds=30)),
        (SOON, LATER, LATER),
        (LATER, SOON, LATER),
        (LATER, LATER + dt.timedelta(seconds=30), LATER + dt.timedelta(seconds=30)),
        (LATER, LATER + dt.timedelta(days=1), None),
    ],
)
async def test_two_new_publication_times_overlap(author: Context, eve: Context, mine: Any, theirs: Any, merged: Any) -> None:
    scheduled = {"status": PostStatus.SCHEDULED, "publish_at": SOON}
    submitted, saved = {"title": "B", "publish_at": mine}, {"publish_at": theirs, "content": "theirs"}
    conflict = await conflict_of(author, eve, submitted, saved, **scheduled)
    assert list(conflict.overlapping) == ([] if merged else ["the status"])
    if merged:
        assert conflict.merged is not None
        assert (conflict.merged.publish_at, conflict.merged.title, conflict.merged.content) == (merged, "B", "theirs")


@pytest.mark.parametrize("began_with", [0, 99])
async def test_unknown_base_version_returns_both_texts(author: Context, began_with: int) -> None:
    post = await posts.create(author, NewPost(title="A", content="theirs"))
    conflict = await edit_conflicts.describe(
        author, post, PostChanges(title="A", content="mine", status=PostStatus.PUBLISHED), began_with
    )
    assert (conflict.base, conflict.merged, conflict.diff_since_base) == (None, None, None)
    assert conflict.diff.older == content_of(post)
    assert conflict.diff.newer.content == "mine"


async def test_presence_lists_other_editors_for_a_minute(author: Context, eve: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    assert await presence.touch(author, post.id) == presence.Presence([], 1)
    assert [other.name for other in (await presence.touch(eve, post.id)).others] == ["ada"]
    assert [other.name for other in (await presence.touch(author, post.id)).others] == ["eve"]
    half_a_minute, minute = (replace(author, now=author.now + dt.timedelta(seconds=seconds)) for seconds in (59, 60))
    assert len((await presence.touch(half_a_minute, post.id)).others) == 1
    assert (await presence.touch(minute, post.id)).others == []


async def test_presence_ends_with_leave(author: Context, eve: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    await presence.touch(author, post.id)
    await presence.leave(author, post.id)
    await presence.leave(author, post.id)
    assert (await presence.touch(eve, post.id)).others == []


async def test_presence_needs_the_permission_to_edit(author: Context, bob: Context, ctx: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    for who, error in ((bob, Forbidden), (ctx, NotAuthenticated)):
        with pytest.raises(error):
            await presence.touch(who, post.id)


async def test_deleted_post_is_restored_unchanged(author: Context, ctx: Context) -> None:
    post = await posts.create(author, NewPost(title="Gone", content="a needle", tags=["x"]))
    await comments.create(author, post.id, NewComment(content="yes"))
    before = await posts.get(author, post.id)
    await posts.delete(author, post.id)
    assert [deleted.title for deleted in (await dashboard.read(author)).deleted] == ["Gone"]
    assert await posts.undelete(author, post.id) == before
    assert await posts.get_by_slug(ctx, "gone") == before
    assert [found.title for found in (await post_lists.list_page(ctx, PostFilter(text="needle"))).items] == ["Gone"]
    assert [found.title for found in (await post_lists.list_page(ctx, PostFilter(tags=("x",)))).items] == ["Gone"]
    names = [event.event_type for event in await events.after(ctx.db, 0)]
    assert names == ["post.published", "comment.created", "post.deleted", "post.published"]
    assert (await dashboard.read(author)).deleted == []
    assert await check_site(author) == []


async def test_restored_draft_sends_no_public_event(author: Context, ctx: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    await posts.delete(author, post.id)
    await posts.undelete(author, post.id)
    assert await events.after(ctx.db, 0) == []
    assert (await posts.get(author, post.id)).status is PostStatus.DRAFT


async def test_only_editors_restore_a_post_and_only_once(author: Context, eve: Context, bob: Context, ctx: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    with pytest.raises(NotFound):
        await posts.undelete(author, post.id)
    await posts.delete(author, post.id)
    for who, error in ((bob, NotFound), (ctx, NotAuthenticated)):
        with pytest.raises(error):
            await posts.undelete(who, post.id)
    assert (await dashboard.read(bob)).deleted == []
    await posts.undelete(eve, post.id)
    with pytest.raises(NotFound):
        await posts.undelete(eve, post.id)


async def test_undo_after_another_change_is_refused(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    await posts.delete(author, post.id)

    async def restore_and_edit(_call: object, *_args: object) -> str:
        await posts.undelete(author, post.id)
        await posts.edit(author, post.id, PostChanges(content="y"))
        await posts.delete(author, post.id)
        return "x"

    with monkeypatch.context() as patch:
        original = anyio.to_thread.run_sync
        calls: list[object] = []

        async def once(call: Callable[..., str], *args: object) -> str:
            calls.append(call)
            return await (restore_and_edit if len(calls) == 1 else original)(call, *args)

        patch.setattr("blog.domain.posts.posts.anyio.to_thread.run_sync", once)
        with pytest.raises(Conflict):
            await posts.undelete(author, post.id)
    assert (await posts.undelete(author, post.id)).content == "y"


async def test_deleted_posts_are_listed_for_a_month(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    await posts.delete(author, post.id)
    for days, listed in ((29, 1), (31, 0)):
        assert len((await dashboard.read(replace(author, now=author.now + dt.timedelta(days=days)))).deleted) == listed


async def test_restored_version_is_a_new_one(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", tags=["t"]))
    await posts.edit(author, post.id, PostChanges(title="B", content="y", tags=[], slug="b"))
    again = (await revisions.restore(author, post.id, 1, if_match={2})).post
    assert (again.title, again.content, again.tags, again.slug, again.version) == ("A", "x", ("t",), "b", 3)
