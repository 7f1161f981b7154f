"""How two versions of a post differ, ready to be shown."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from blog.domain.core.models import Post, Revision
from blog.schemas.posts import PostStatus
from blog.text.diff import Piece, Stretch, Volume, diff, diff_items, folded, lines, volume

MOST_PIECES = 5000
"""A longer difference is cut: nobody reads it, and a browser would choke on it."""


@dataclass(frozen=True, slots=True)
class Side:
    """What a post says in one version. A revision does not know its `publish_at`."""

    title: str
    content: str
    tags: tuple[str, ...]
    slug: str
    status: PostStatus
    publish_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Differences:
    """From one side to another: pieces of the title, the address and the tags, stretches of the text.

    `cut` is how many lines of the text were left out at the end.
    """

    older: Side
    newer: Side
    title: Sequence[Piece]
    slug: Sequence[Piece]
    tags: Sequence[Piece]
    text: Sequence[Stretch]
    volume: Volume
    cut: int

    @property
    def is_empty(self) -> bool:
        """Do both sides say the same?"""
        return self.older == self.newer


def side_of(version: Post | Revision) -> Side:
    """A post, or one of its versions, as a side."""
    publish_at = version.publish_at if isinstance(version, Post) else None
    return Side(version.title, version.content, tuple(version.tags), version.slug, version.status, publish_at)


async def between(older: Side, newer: Side) -> Differences:
    """What changed, in a thread, so that the event loop goes on."""
    return await anyio.to_thread.run_sync(_between, older, newer)


def _between(older: Side, newer: Side) -> Differences:
    text = lines(diff(older.content, newer.content))
    shown = folded(text)
    kept, cut = _cut(shown)
    return Differences(
        older,
        newer,
        title=diff(older.title, newer.title),
        slug=diff_items([older.slug], [newer.slug]),
        tags=diff_items(older.tags, newer.tags),
        text=kept,
        volume=volume(older.content, newer.content),
        cut=cut,
    )


def _cut(stretches: Sequence[Stretch]) -> tuple[list[Stretch], int]:
    """As many lines as have `MOST_PIECES` pieces (a line that has more alone is kept), and the number of the others."""
    kept: list[Stretch] = []
    room, left_out = MOST_PIECES, 0
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
            kept.append(Stretch(stretch.lines[:fitting], stretch.hidden))
        left_out += len(stretch.lines) - fitting
    return kept, left_out
