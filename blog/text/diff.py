"""Word-by-word diff of two texts, displayed in lines.

Compares lines first, then words, spaces and punctuation within the lines that differ. The work is bounded: if two texts
have too little in common, whole parts count as replaced (see `blog.text.lcs`).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from blog.text.lcs import Match, find_matches

# A word, a run of spaces, or one punctuation mark. A word can contain apostrophes and hyphens.
_WORD = re.compile(r"\w+(?:['\u2019\u2010-]\w+)*")
_TOKEN = re.compile(rf"{_WORD.pattern}|[^\S\n]+|\n|[^\w\s]")
CONTEXT_LINES = 3
"""The number of unchanged lines shown before and after each change."""


class SegmentKind(StrEnum):
    """The kind of a segment."""

    UNCHANGED = "unchanged"
    DELETED = "deleted"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True)
class Segment:
    """A non-empty part of the old text, the new text or both."""

    kind: SegmentKind
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """A group of displayed lines, and the unchanged `hidden` lines before it. A line is a list of segments without line end."""

    lines: Sequence[Sequence[Segment]]
    hidden: Sequence[Sequence[Segment]]


@dataclass(frozen=True, slots=True)
class WordCount:
    """The numbers of added and removed words. A word that only moved is not counted."""

    added: int
    removed: int


def diff(old: str, new: str) -> list[Segment]:
    """Return the segments of two texts: unchanged and deleted ones make up `old`, unchanged and inserted ones `new`.

    CPU-bound: two texts of 256 KiB without a common line take some 0.1 s, so call it in a thread.
    """
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    segments: list[Segment] = []
    for match, i, j in _walk_matches(find_matches(old_lines, new_lines), len(old_lines), len(new_lines)):
        before, after = "".join(old_lines[i : match.old]), "".join(new_lines[j : match.new])
        segments += _diff_words(before, after) if before and after else _replacement(before, after)
        segments += _segments(SegmentKind.UNCHANGED, "".join(old_lines[match.old : match.old + match.size]))
    return _merge_adjacent(segments)


def count_changed_words(old: str, new: str) -> WordCount:
    """Count added and removed words, in linear time."""
    before, after = Counter(_WORD.findall(old)), Counter(_WORD.findall(new))
    return WordCount((after - before).total(), (before - after).total())


def diff_items(old: Sequence[str], new: Sequence[str]) -> list[Segment]:
    """Return the segments of two short lists, such as tags: one segment per item."""
    segments: list[Segment] = []
    for match, i, j in _walk_matches(find_matches(old, new), len(old), len(new)):
        segments += (Segment(SegmentKind.DELETED, item) for item in old[i : match.old])
        segments += (Segment(SegmentKind.INSERTED, item) for item in new[j : match.new])
        segments += (Segment(SegmentKind.UNCHANGED, item) for item in old[match.old : match.old + match.size])
    return segments


def split_lines(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Split segments into lines. A ¶ marks an added or removed line end."""
    lines: list[list[Segment]] = [[]]
    for segment in segments:
        for part in segment.text.splitlines(keepends=True):
            text = part.rstrip("\r\n")
            if text:
                lines[-1].append(Segment(segment.kind, text))
            elif segment.kind is not SegmentKind.UNCHANGED:
                lines[-1].append(Segment(segment.kind, "¶"))
            if len(text) < len(part):
                lines.append([])
    return lines if lines[-1] else lines[:-1]


def hunks(lines: Sequence[Sequence[Segment]]) -> list[Hunk]:
    """Group lines into hunks: changed lines with `CONTEXT_LINES` around them. The last hunk may have only hidden lines."""
    changed = [number for number, line in enumerate(lines) if any(part.kind is not SegmentKind.UNCHANGED for part in line)]
    shown = sorted({near for number in changed for near in range(number - CONTEXT_LINES, number + CONTEXT_LINES + 1)})
    groups: list[Hunk] = []
    done = 0
    for first, last in _runs([number for number in shown if 0 <= number < len(lines)]):
        groups.append(Hunk(lines[first : last + 1], lines[done:first]))
        done = last + 1
    if done < len(lines):
        groups.append(Hunk([], lines[done:]))
    return groups


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last number of each run of consecutive numbers."""
    for index, number in enumerate(numbers):
        if index == 0 or numbers[index - 1] != number - 1:
            first = number
        if index == len(numbers) - 1 or numbers[index + 1] != number + 1:
            yield first, number


def _diff_words(old: str, new: str) -> list[Segment]:
    left, right = _TOKEN.findall(old), _TOKEN.findall(new)
    segments: list[Segment] = []
    for match, i, j in _walk_matches(find_matches(left, right), len(left), len(right)):
        segments += _replacement("".join(left[i : match.old]), "".join(right[j : match.new]))
        segments += _segments(SegmentKind.UNCHANGED, "".join(left[match.old : match.old + match.size]))
    return _semantic_cleanup(segments)


def _walk_matches(matches: Sequence[Match], old: int, new: int) -> Iterator[tuple[Match, int, int]]:
    """Yield each match, then an empty one at the end, with the start of the difference before it in both texts."""
    i = j = 0
    for match in (*matches, Match(old, new, 0)):
        yield match, i, j
        i, j = match.old + match.size, match.new + match.size


def _replacement(old: str, new: str) -> list[Segment]:
    return _segments(SegmentKind.DELETED, old) + _segments(SegmentKind.INSERTED, new)


def _segments(kind: SegmentKind, text: str) -> list[Segment]:
    return [Segment(kind, text)] if text else []


def _semantic_cleanup(segments: Sequence[Segment]) -> list[Segment]:
    """Remove short coincidental matches within rewritten text, such as an "a", a comma or a space."""
    cleaned: list[Segment] = []
    old = new = ""
    for index, segment in enumerate(segments):
        if segment.kind is SegmentKind.DELETED:
            old += segment.text
        elif segment.kind is SegmentKind.INSERTED:
            new += segment.text
        elif (old or new) and _is_coincidental(segment.text, max(len(old), len(new)), segments[index + 1 : index + 3]):
            old, new = old + segment.text, new + segment.text
        else:
            cleaned += [*_replacement(old, new), segment]
            old = new = ""
    return cleaned + _replacement(old, new)


def _is_coincidental(text: str, before: int, following: Sequence[Segment]) -> bool:
    after = max((len(segment.text) for segment in following if segment.kind is not SegmentKind.UNCHANGED), default=0)
    return "\n" not in text and len(text) <= min(before, after)


def _merge_adjacent(segments: Sequence[Segment]) -> list[Segment]:
    """Join adjacent segments of the same kind."""
    merged: list[Segment] = []
    for segment in segments:
        if merged and merged[-1].kind is segment.kind:
            segment = Segment(segment.kind, merged.pop().text + segment.text)
        merged.append(segment)
    return merged
