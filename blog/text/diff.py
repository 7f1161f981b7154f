"""What changed between two texts, word by word, in lines as they are read.

Lines are compared first, then the words, spaces and marks within the lines that differ. The work is bounded: where two
texts have too little in common to be compared word by word, whole stretches count as replaced (`blog/text/lcs.py`).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from blog.text.lcs import Match, find_matches

# A word, a run of spaces, or one mark; an apostrophe or a hyphen inside a word is a part of it.
_WORD = re.compile(r"\w+(?:['\u2019\u2010-]\w+)*")
_TOKEN = re.compile(rf"{_WORD.pattern}|[^\S\n]+|\n|[^\w\s]")
CONTEXT_LINES = 3
"""Unchanged lines that are shown before and after each change."""


class SegmentKind(StrEnum):
    """What became of a piece of text."""

    UNCHANGED = "kept"
    DELETED = "deleted"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text, never empty."""

    kind: SegmentKind
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that stand together, each a list of its pieces without line ends, and the unchanged ones `hidden` before them."""

    lines: Sequence[Sequence[Segment]]
    hidden: Sequence[Sequence[Segment]]


@dataclass(frozen=True, slots=True)
class WordCount:
    """How many words a text gained and lost; a word that only moved is neither."""

    added: int
    removed: int


def diff(old: str, new: str) -> list[Segment]:
    """The pieces that make both texts: kept and deleted ones joined are `old`, kept and inserted ones `new`.

    CPU-bound: two texts of 256 KiB without a common line take some tenths of a second, so call it in a thread.
    """
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    pieces: list[Segment] = []
    for match, i, j in _walk_matches(find_matches(old_lines, new_lines), len(old_lines), len(new_lines)):
        before, after = "".join(old_lines[i : match.old]), "".join(new_lines[j : match.new])
        pieces += _diff_words(before, after) if before and after else _replacement(before, after)
        pieces += _segments(SegmentKind.UNCHANGED, "".join(old_lines[match.old : match.old + match.size]))
    return _merge_adjacent(pieces)


def count_changed_words(old: str, new: str) -> WordCount:
    """How many words were added and removed, in time that grows with the length."""
    before, after = Counter(_WORD.findall(old)), Counter(_WORD.findall(new))
    return WordCount((after - before).total(), (before - after).total())


def diff_items(old: Sequence[str], new: Sequence[str]) -> list[Segment]:
    """The same for short lists, such as tags: each item a piece of its own."""
    pieces: list[Segment] = []
    for match, i, j in _walk_matches(find_matches(old, new), len(old), len(new)):
        pieces += (Segment(SegmentKind.DELETED, item) for item in old[i : match.old])
        pieces += (Segment(SegmentKind.INSERTED, item) for item in new[j : match.new])
        pieces += (Segment(SegmentKind.UNCHANGED, item) for item in old[match.old : match.old + match.size])
    return pieces


def split_lines(pieces: Sequence[Segment]) -> list[list[Segment]]:
    """The pieces as lines. Where only the end of a line came or went, a ¶ stands for it."""
    found: list[list[Segment]] = [[]]
    for piece in pieces:
        for part in piece.text.splitlines(keepends=True):
            text = part.rstrip("\r\n")
            if text:
                found[-1].append(Segment(piece.kind, text))
            elif piece.kind is not SegmentKind.UNCHANGED:
                found[-1].append(Segment(piece.kind, "¶"))
            if len(text) < len(part):
                found.append([])
    return found if found[-1] else found[:-1]


def hunks(found: Sequence[Sequence[Segment]]) -> list[Hunk]:
    """The lines with what changed and `CONTEXT` lines around it; the rest is folded. A last stretch may have no lines."""
    changed = [number for number, line in enumerate(found) if any(piece.kind is not SegmentKind.UNCHANGED for piece in line)]
    shown = sorted({near for number in changed for near in range(number - CONTEXT_LINES, number + CONTEXT_LINES + 1)})
    stretches: list[Hunk] = []
    done = 0
    for first, last in _runs([number for number in shown if 0 <= number < len(found)]):
        stretches.append(Hunk(found[first : last + 1], found[done:first]))
        done = last + 1
    if done < len(found):
        stretches.append(Hunk([], found[done:]))
    return stretches


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and last of each run of numbers without a gap."""
    for index, number in enumerate(numbers):
        if index == 0 or numbers[index - 1] != number - 1:
            first = number
        if index == len(numbers) - 1 or numbers[index + 1] != number + 1:
            yield first, number


def _diff_words(old: str, new: str) -> list[Segment]:
    left, right = _TOKEN.findall(old), _TOKEN.findall(new)
    pieces: list[Segment] = []
    for match, i, j in _walk_matches(find_matches(left, right), len(left), len(right)):
        pieces += _replacement("".join(left[i : match.old]), "".join(right[j : match.new]))
        pieces += _segments(SegmentKind.UNCHANGED, "".join(left[match.old : match.old + match.size]))
    return _semantic_cleanup(pieces)


def _walk_matches(found: Sequence[Match], old: int, new: int) -> Iterator[tuple[Match, int, int]]:
    """Each match, and an empty one at the end, with the places where what differs before it begins."""
    i = j = 0
    for match in (*found, Match(old, new, 0)):
        yield match, i, j
        i, j = match.old + match.size, match.new + match.size


def _replacement(old: str, new: str) -> list[Segment]:
    return _segments(SegmentKind.DELETED, old) + _segments(SegmentKind.INSERTED, new)


def _segments(kind: SegmentKind, text: str) -> list[Segment]:
    return [Segment(kind, text)] if text else []


def _semantic_cleanup(pieces: Sequence[Segment]) -> list[Segment]:
    """Without what is kept by chance in the middle of what was rewritten: an "a", a comma, a space."""
    found: list[Segment] = []
    old = new = ""
    for index, piece in enumerate(pieces):
        if piece.kind is SegmentKind.DELETED:
            old += piece.text
        elif piece.kind is SegmentKind.INSERTED:
            new += piece.text
        elif (old or new) and _is_coincidental(piece.text, max(len(old), len(new)), pieces[index + 1 : index + 3]):
            old, new = old + piece.text, new + piece.text
        else:
            found += [*_replacement(old, new), piece]
            old = new = ""
    return found + _replacement(old, new)


def _is_coincidental(text: str, before: int, following: Sequence[Segment]) -> bool:
    after = max((len(piece.text) for piece in following if piece.kind is not SegmentKind.UNCHANGED), default=0)
    return "\n" not in text and len(text) <= min(before, after)


def _merge_adjacent(pieces: Sequence[Segment]) -> list[Segment]:
    """Neighbours of one kind as one piece."""
    found: list[Segment] = []
    for piece in pieces:
        if found and found[-1].kind is piece.kind:
            piece = Segment(piece.kind, found.pop().text + piece.text)
        found.append(piece)
    return found
