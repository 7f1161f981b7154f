"""Differences between two versions of a post, ready for display."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread

from blog.domain.posts.post_content import (
    POST_FIELDS,
    FieldKind,
    PostContent,
    PostField,
    changed_fields,
    content_of,
    display_items,
)
from blog.domain.site.static_pages import StaticPage
from blog.schemas.posts import PostStatus
from blog.text.diff import Hunk, Segment, WordCount, count_changed_words, diff, diff_items, hunks, split_lines
from blog.text.formats import Formats

MAX_SEGMENTS = 5000
"""Longer differences are cut: readers do not read them, and browsers become slow."""


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """A field that differs, with the segments of both values; none for the text, which is in `PostDiff.text`."""

    field: PostField
    segments: Sequence[Segment]

    @property
    def is_list(self) -> bool:
        """Whether each segment is a value, rather than a part of one."""
        return self.field.kind is FieldKind.VALUE


@dataclass(frozen=True, slots=True)
class PostDiff:
    """The differences between two versions.

    `fields` are the fields that differ, `text` the changed parts of the body, `word_count` the words added and removed there,
    and `omitted_lines` the number of lines left out at the end.
    """

    older: PostContent
    newer: PostContent
    fields: Sequence[FieldDiff]
    text: Sequence[Hunk]
    word_count: WordCount
    omitted_lines: int

    @property
    def is_empty(self) -> bool:
        """Whether both versions are the same."""
        return not self.fields


async def compare(older: PostContent, newer: PostContent, formats: Formats) -> PostDiff:
    """Compare two versions in a thread, so that the event loop is not blocked."""
    return await anyio.to_thread.run_sync(_compare, content_of(older), content_of(newer), formats)


async def compare_pages(older: StaticPage, newer: StaticPage, formats: Formats) -> PostDiff:
    """Compare two versions of a static page, as versions of a post that differ in no other field."""
    return await compare(_page_content(older), _page_content(newer), formats)


def _page_content(page: StaticPage) -> PostContent:
    values: dict[str, Any] = dict.fromkeys(field.name for field in POST_FIELDS)
    values |= {"title": page.title, "content": page.content, "slug": page.slug, "status": PostStatus(page.status)}
    return PostContent(**values | {"tags": (), "authors": (), "comments_open": True, "featured": False})


def _compare(older: PostContent, newer: PostContent, formats: Formats) -> PostDiff:
    lines, omitted_lines = _truncate(hunks(split_lines(diff(older.content, newer.content))))
    return PostDiff(
        older,
        newer,
        fields=[FieldDiff(field, _segments(field, older, newer, formats)) for field in changed_fields(older, newer)],
        text=lines,
        word_count=count_changed_words(older.content, newer.content),
        omitted_lines=omitted_lines,
    )


def _segments(field: PostField, older: PostContent, newer: PostContent, formats: Formats) -> Sequence[Segment]:
    before, after = display_items(field, older, formats), display_items(field, newer, formats)
    match field.kind:
        case FieldKind.TEXT:
            return ()
        case FieldKind.LINE:
            return diff("".join(before), "".join(after))
        case FieldKind.VALUE:
            return diff_items(before, after)


def _truncate(changes: Sequence[Hunk]) -> tuple[list[Hunk], int]:
    """Return the hunks up to `MAX_SEGMENTS` segments, at least one line, and the number of lines left out."""
    shown: list[Hunk] = []
    remaining, omitted = MAX_SEGMENTS, 0
    for hunk in changes:
        fitting = 0
        for line in hunk.lines if remaining > 0 else ():
            remaining -= len(line)
            if remaining < 0 and (fitting or shown):
                break
            fitting += 1
        if fitting == len(hunk.lines) and not omitted:
            shown.append(hunk)
            continue
        if not omitted:
            shown.append(Hunk(hunk.lines[:fitting], hunk.hidden))
        omitted += len(hunk.lines) - fitting
    return shown, omitted
