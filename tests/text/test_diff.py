"""Differences are whole, readable, and never take long."""

import itertools
import random
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.text.diff import (
    CONTEXT_LINES,
    Segment,
    SegmentKind,
    WordCount,
    count_changed_words,
    diff,
    diff_items,
    hunks,
    split_lines,
)
from blog.text.lcs import find_matches

WORDS = st.text(alphabet="ab '’-,.\n\t\r\u2028é日", max_size=60)


def marked(old, new):
    marks = {SegmentKind.UNCHANGED: "{}", SegmentKind.DELETED: "[-{}-]", SegmentKind.INSERTED: "{{+{}+}}"}
    return "".join(marks[piece.kind].format(piece.text) for piece in diff(old, new))


def joined(pieces, *kinds):
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


@given(WORDS | st.text(), WORDS | st.text())
@example("", "")
@example("a", "")
@example("a\r\nb\u2028c", "a\nb\u2028\u2029c")
def test_pieces_make_both_texts(old: Any, new: Any) -> None:
    pieces = diff(old, new)
    assert joined(pieces, SegmentKind.UNCHANGED, SegmentKind.DELETED) == old
    assert joined(pieces, SegmentKind.UNCHANGED, SegmentKind.INSERTED) == new
    assert all(piece.text for piece in pieces)
    assert all(first.kind is not second.kind for first, second in itertools.pairwise(pieces))


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
def test_common_items_are_as_many_as_can_be(old: Any, new: Any) -> None:
    found = find_matches(old, new)
    for match in found:
        assert old[match.old : match.old + match.size] == new[match.new : match.new + match.size]
    for first, second in itertools.pairwise(found):
        assert first.old + first.size <= second.old
        assert first.new + first.size <= second.new
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, item in enumerate(old):
        for j, other in enumerate(new):
            table[i + 1][j + 1] = table[i][j] + 1 if item == other else max(table[i][j + 1], table[i + 1][j])
    assert sum(match.size for match in found) == table[-1][-1]


@given(st.lists(st.integers(0, 40), max_size=60), st.lists(st.integers(0, 40), max_size=60))
def test_long_texts_are_cut_at_what_is_there_once(small_table: Any, old: Any, new: Any) -> None:
    old, new = [str(item) for item in old], [str(item) for item in new]
    end = (0, 0)
    for match in find_matches(old, new):
        assert match.old >= end[0]
        assert match.new >= end[1]
        assert old[match.old : match.old + match.size] == new[match.new : match.new + match.size]
        end = (match.old + match.size, match.new + match.size)


@pytest.fixture(scope="module")
def small_table():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blog.text.lcs.MAX_TABLE_CELLS", 9)
        yield


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("It weaves.", "It weaves well.", "It weaves{+ well+}."),
        ("one two three", "one 2 three", "one [-two-]{+2+} three"),
        ("a\nb\nc\n", "a\nc\n", "a\n[-b\n-]c\n"),
        ("don't", "do", "[-don't-]{+do+}"),
        ("I am a man", "You are a woman", "[-I am a man-]{+You are a woman+}"),
        ("the quick brown fox", "the slow brown cat", "the [-quick-]{+slow+} brown [-fox-]{+cat+}"),
        ("日本 語", "日本 国", "日本 [-語-]{+国+}"),
        ("same", "same", "same"),
    ],
)
def test_words_are_what_changes(old: str, new: str, shown: str) -> None:
    assert marked(old, new) == shown


def test_items_of_a_list_change_whole() -> None:
    kept, deleted, inserted = SegmentKind.UNCHANGED, SegmentKind.DELETED, SegmentKind.INSERTED
    assert diff_items(["a b", "c"], ["a b", "d"]) == [Segment(kept, "a b"), Segment(deleted, "c"), Segment(inserted, "d")]


def test_lines_show_what_became_of_their_ends() -> None:
    kept, deleted, inserted = SegmentKind.UNCHANGED, SegmentKind.DELETED, SegmentKind.INSERTED
    assert split_lines(diff("a\nb\n", "a\nb\n")) == [[Segment(kept, "a")], [Segment(kept, "b")]]
    assert split_lines(diff("a\n\nb", "a\nb")) == [[Segment(kept, "a")], [Segment(deleted, "¶")], [Segment(kept, "b")]]
    assert split_lines([Segment(kept, "a"), Segment(inserted, "\n"), Segment(kept, "b")]) == [
        [Segment(kept, "a"), Segment(inserted, "¶")],
        [Segment(kept, "b")],
    ]
    assert split_lines([]) == []


def test_long_unchanged_stretches_are_folded_and_none_is_lost() -> None:
    old = [f"line {number}" for number in range(100)]
    new = [*old]
    new[20], new[25], new[70] = "twenty", "twenty-five", "seventy"
    shown = split_lines(diff("\n".join(old), "\n".join(new)))
    stretches = hunks(shown)
    assert [(len(stretch.hidden), len(stretch.lines)) for stretch in stretches] == [
        (20 - CONTEXT_LINES, 6 + 2 * CONTEXT_LINES), (70 - CONTEXT_LINES - 26 - CONTEXT_LINES, 1 + 2 * CONTEXT_LINES),
        (29 - CONTEXT_LINES, 0),
    ]  # fmt: skip
    assert [line for stretch in stretches for line in (*stretch.hidden, *stretch.lines)] == shown
    assert [len(stretch.hidden) for stretch in hunks(split_lines(diff("a\nb", "a\nb")))] == [2]
    assert hunks([]) == []


def test_volume_counts_words_that_came_and_went() -> None:
    assert count_changed_words("one two two", "two three one four") == WordCount(2, 1)
    assert count_changed_words("", "don't stop") == WordCount(2, 0)
    assert count_changed_words("a b c", "c b a") == WordCount(0, 0), "what only moved is no change of words"


def random_text(seed, words, per_line):
    dice = random.Random(seed)  # noqa: S311 (the same at each run)
    vocabulary = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(1, 9))) for _ in range(words)]
    text = ""
    while len(text) < 262_144:
        text += " ".join(dice.choices(vocabulary, k=per_line)) + "\n"
    return text[:262_144]


def anchored(seed):
    """Stretches just short enough to be compared exactly, of few words, between words that are there once."""
    dice = random.Random(seed)  # noqa: S311 (the same at each run)
    return " ".join(f"once{n} " + " ".join(dice.choices("abc", k=1440)) for n in range(90))


HOSTILE = {
    "as much exact work as can be": (anchored(8), anchored(9)),
    "prose that differs everywhere": (random_text(1, 5000, 12), random_text(2, 5000, 12)),
    "few words, other order": (random_text(3, 40, 12), random_text(3, 40, 12)[::-1]),
    "one line": (random_text(5, 5000, 12).replace("\n", " "), random_text(6, 5000, 12).replace("\n", " ")),
    "letters and marks": ("a." * 131_072, ".a" * 131_072),
    "empty lines": ("\n" * 262_144, "x\n" * 131_072),
    "short lines": ("a\nb\n" * 65_536, "b\na\nc\n" * 43_690),
    "words in reverse": (" ".join(map(str, range(45_000))), " ".join(map(str, range(45_000, 0, -1)))),
    "every other word": (" ".join(f"w{n} same" for n in range(22_000)), " ".join(f"v{n} same" for n in range(22_000))),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_work_is_bounded(case: Any) -> None:
    old, new = HOSTILE[case]
    started = time.process_time()
    pieces = diff(old, new)
    spent = time.process_time() - started
    wholes = (
        joined(pieces, SegmentKind.UNCHANGED, SegmentKind.DELETED),
        joined(pieces, SegmentKind.UNCHANGED, SegmentKind.INSERTED),
    )
    assert wholes == (old, new)
    assert spent < 3, "processor seconds; about a third of that on a common machine"
