"""Diffs: completeness, readability and bounded time."""

import itertools
import random
import time
from collections.abc import Iterable, Iterator

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


def marked(old: str, new: str) -> str:
    marks = {SegmentKind.UNCHANGED: "{}", SegmentKind.DELETED: "[-{}-]", SegmentKind.INSERTED: "{{+{}+}}"}
    return "".join(marks[segment.kind].format(segment.text) for segment in diff(old, new))


def joined(segments: Iterable[Segment], *kinds: SegmentKind) -> str:
    return "".join(segment.text for segment in segments if segment.kind in kinds)


@given(WORDS | st.text(), WORDS | st.text())
@example("", "")
@example("a", "")
@example("a\r\nb\u2028c", "a\nb\u2028\u2029c")
def test_segments_make_up_both_texts(old: str, new: str) -> None:
    segments = diff(old, new)
    assert joined(segments, SegmentKind.UNCHANGED, SegmentKind.DELETED) == old
    assert joined(segments, SegmentKind.UNCHANGED, SegmentKind.INSERTED) == new
    assert all(segment.text for segment in segments)
    assert all(first.kind is not second.kind for first, second in itertools.pairwise(segments))


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
def test_matches_are_a_longest_common_subsequence(old: list[str], new: list[str]) -> None:
    matches = find_matches(old, new)
    for match in matches:
        assert old[match.old : match.old + match.size] == new[match.new : match.new + match.size]
    for first, second in itertools.pairwise(matches):
        assert first.old + first.size <= second.old
        assert first.new + first.size <= second.new
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, item in enumerate(old):
        for j, other in enumerate(new):
            table[i + 1][j + 1] = table[i][j] + 1 if item == other else max(table[i][j + 1], table[i + 1][j])
    assert sum(match.size for match in matches) == table[-1][-1]


@given(st.lists(st.integers(0, 40), max_size=60), st.lists(st.integers(0, 40), max_size=60))
def test_matches_of_long_texts_are_correct(small_table: None, old_numbers: list[int], new_numbers: list[int]) -> None:
    old, new = list(map(str, old_numbers)), list(map(str, new_numbers))
    end = (0, 0)
    for match in find_matches(old, new):
        assert match.old >= end[0]
        assert match.new >= end[1]
        assert old[match.old : match.old + match.size] == new[match.new : match.new + match.size]
        end = (match.old + match.size, match.new + match.size)


@pytest.fixture(scope="module")
def small_table() -> Iterator[None]:
    """Reduce the limit of exact computation to nine table cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blog.text.lcs.MAX_TABLE_CELLS", 9)
        yield


@pytest.mark.parametrize(
    ("old", "new", "expected"),
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
def test_diffs_are_by_words(old: str, new: str, expected: str) -> None:
    assert marked(old, new) == expected


def test_list_items_are_not_split() -> None:
    unchanged, deleted, inserted = SegmentKind.UNCHANGED, SegmentKind.DELETED, SegmentKind.INSERTED
    assert diff_items(["a b", "c"], ["a b", "d"]) == [Segment(unchanged, "a b"), Segment(deleted, "c"), Segment(inserted, "d")]


def test_lines_mark_changed_line_ends() -> None:
    unchanged, deleted, inserted = SegmentKind.UNCHANGED, SegmentKind.DELETED, SegmentKind.INSERTED
    assert split_lines(diff("a\nb\n", "a\nb\n")) == [[Segment(unchanged, "a")], [Segment(unchanged, "b")]]
    assert split_lines(diff("a\n\nb", "a\nb")) == [[Segment(unchanged, "a")], [Segment(deleted, "¶")], [Segment(unchanged, "b")]]
    assert split_lines([Segment(unchanged, "a"), Segment(inserted, "\n"), Segment(unchanged, "b")]) == [
        [Segment(unchanged, "a"), Segment(inserted, "¶")],
        [Segment(unchanged, "b")],
    ]
    assert split_lines([]) == []


def test_unchanged_lines_are_hidden_and_none_is_lost() -> None:
    old = [f"line {number}" for number in range(100)]
    new = [*old]
    new[20], new[25], new[70] = "twenty", "twenty-five", "seventy"
    lines = split_lines(diff("\n".join(old), "\n".join(new)))
    groups = hunks(lines)
    assert [(len(hunk.hidden), len(hunk.lines)) for hunk in groups] == [
        (20 - CONTEXT_LINES, 6 + 2 * CONTEXT_LINES), (70 - CONTEXT_LINES - 26 - CONTEXT_LINES, 1 + 2 * CONTEXT_LINES),
        (29 - CONTEXT_LINES, 0),
    ]  # fmt: skip
    assert [line for hunk in groups for line in (*hunk.hidden, *hunk.lines)] == lines
    assert [len(hunk.hidden) for hunk in hunks(split_lines(diff("a\nb", "a\nb")))] == [2]
    assert hunks([]) == []


def test_added_and_removed_words_are_counted() -> None:
    assert count_changed_words("one two two", "two three one four") == WordCount(2, 1)
    assert count_changed_words("", "don't stop") == WordCount(2, 0)
    assert count_changed_words("a b c", "c b a") == WordCount(0, 0), "moved words are not counted"


def random_text(seed: int, words: int, per_line: int) -> str:
    source = random.Random(seed)  # noqa: S311 (deterministic)
    vocabulary = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(1, 9))) for _ in range(words)]
    text = ""
    while len(text) < 262_144:
        text += " ".join(source.choices(vocabulary, k=per_line)) + "\n"
    return text[:262_144]


def anchored_text(seed: int) -> str:
    """Return runs of few distinct words, just short enough for an exact comparison, between unique words."""
    source = random.Random(seed)  # noqa: S311 (deterministic)
    return " ".join(f"once{n} " + " ".join(source.choices("abc", k=1440)) for n in range(90))


HOSTILE = {
    "maximum of exact work": (anchored_text(8), anchored_text(9)),
    "entirely different prose": (random_text(1, 5000, 12), random_text(2, 5000, 12)),
    "few words, different order": (random_text(3, 40, 12), random_text(3, 40, 12)[::-1]),
    "one line": (random_text(5, 5000, 12).replace("\n", " "), random_text(6, 5000, 12).replace("\n", " ")),
    "letters and marks": ("a." * 131_072, ".a" * 131_072),
    "empty lines": ("\n" * 262_144, "x\n" * 131_072),
    "short lines": ("a\nb\n" * 65_536, "b\na\nc\n" * 43_690),
    "words in reverse": (" ".join(map(str, range(45_000))), " ".join(map(str, range(45_000, 0, -1)))),
    "every other word": (" ".join(f"w{n} same" for n in range(22_000)), " ".join(f"v{n} same" for n in range(22_000))),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_time_is_bounded(case: str) -> None:
    old, new = HOSTILE[case]
    started = time.process_time()
    segments = diff(old, new)
    seconds = time.process_time() - started
    assert joined(segments, SegmentKind.UNCHANGED, SegmentKind.DELETED) == old
    assert joined(segments, SegmentKind.UNCHANGED, SegmentKind.INSERTED) == new
    assert seconds < 3, "CPU seconds; about one on a common machine"
