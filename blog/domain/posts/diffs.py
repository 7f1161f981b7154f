"""How two versions of a post differ, ready to be shown."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from blog.domain.posts.models import Post, Revision
from blog.schemas.posts import PostStatus
from blog.text.diff import Hunk, Segment, WordCount, count_changed_words, diff, diff_items, hunks, split_lines

MAX_PIECES = 5000
"""A longer difference is cut: nobody reads it, and a browser would choke on it."""


@dataclass(frozen=True, slots=True)
class PostContent:
    """What a post says in one version. A revision does not know its `publish_at`."""

    title: str
    content: str
    tags: tuple[str, ...]
    slug: str
    status: PostStatus
    publish_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class PostDiff:
    """From one side to another: pieces of the title, the address and the tags, stretches of the text.

    `cut` is how many lines of the text were left out at the end.
    """

    older: PostContent
    newer: PostContent
    title: Sequence[Segment]
    slug: Sequence[Segment]
    tags: Sequence[Segment]
    text: Sequence[Hunk]
    volume: WordCount
    omitted_lines: int

    @property
    def is_empty(self) -> bool:
        """Do both sides say the same?"""
        return self.older == self.newer


def content_of(version: Post | Revision) -> PostContent:
    """A post, or one of its versions, as a side."""
    publish_at = version.publish_at if isinstance(version, Post) else None
    return PostContent(version.title, version.content, tuple(version.tags), version.slug, version.status, publish_at)


async def compare(older: PostContent, newer: PostContent) -> PostDiff:
    """What changed, in a thread, so that the event loop goes on."""
    return await anyio.to_thread.run_sync(_compare, older, newer)


def _compare(older: PostContent, newer: PostContent) -> PostDiff:
    text = split_lines(diff(older.content, newer.content))
    shown = hunks(text)
    kept, cut = _truncate(shown)
    return PostDiff(
        older,
        newer,
        title=diff(older.title, newer.title),
        slug=diff_items([older.slug], [newer.slug]),
        tags=diff_items(older.tags, newer.tags),
        text=kept,
        volume=count_changed_words(older.content, newer.content),
        omitted_lines=cut,
    )


def _truncate(stretches: Sequence[Hunk]) -> tuple[list[Hunk], int]:
    """As many lines as have `MOST_PIECES` pieces (a line that has more alone is kept), and the number of the others."""
    kept: list[Hunk] = []
    room, left_out = MAX_PIECES, 0
    for stretch in stretches:
        fitting = 0
        for line in stretch.lines if room > 0 else ():
            room -= len(line)
            if room < 0 and (fitting or kept):
                break
            fitting += 1
        if fitting == len(stretch.lines) and not left_out:
            kept.append(stretch)
            continue
        if not left_out:
            kept.append(Hunk(stretch.lines[:fitting], stretch.hidden))
        left_out += len(stretch.lines) - fitting
    return kept, left_out
