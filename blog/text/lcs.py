"""Longest common subsequence of two sequences, in bounded time.

`difflib` takes at least quadratic time if items repeat, as spaces between words do. For short sequences this module computes
the exact result, with one row of the table in the bits of one integer (Hyyrö 2004). Longer ones are first split at items
that occur once on both sides (Cohen's patience diff); without such items they count as different.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

MAX_TABLE_CELLS = 1 << 22
"""The maximum product of both lengths for an exact result: some 5 ms. A text of 256 KiB has up to 130 such parts: 0.5 s."""
_MAX_DEPTH = 6


class Match(NamedTuple):
    """A run of `size` equal items, from index `old` on one side and index `new` on the other."""

    old: int
    new: int
    size: int


def find_matches(old: Sequence[str], new: Sequence[str]) -> list[Match]:
    """Return the common runs, in order, each as long as possible."""
    # Integers compare and hash faster than strings.
    numbers: dict[str, int] = {}
    left = [numbers.setdefault(item, len(numbers)) for item in old]
    right = [numbers.setdefault(item, len(numbers)) for item in new]
    matches: list[Match] = []
    for match in _match_range(left, right, 0, 0, 0):
        if matches and (matches[-1].old + matches[-1].size, matches[-1].new + matches[-1].size) == match[:2]:
            match = Match(matches[-1].old, matches[-1].new, matches.pop().size + match.size)
        matches.append(match)
    return matches


def _match_range(old: list[int], new: list[int], at_old: int, at_new: int, depth: int) -> list[Match]:
    shorter = min(len(old), len(new))
    head = next((index for index in range(shorter) if old[index] != new[index]), shorter)
    rest = shorter - head
    tail = next((index for index in range(rest) if old[-1 - index] != new[-1 - index]), rest)
    matches = [Match(at_old, at_new, head)] if head else []
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(inner_old) * len(inner_new) <= MAX_TABLE_CELLS:
        matches += (Match(at_old + head + i, at_new + head + j, 1) for i, j in _longest_common_subsequence(inner_old, inner_new))
    elif depth < _MAX_DEPTH:
        matches += _between_anchors(inner_old, inner_new, at_old + head, at_new + head, depth + 1)
    if tail:
        matches.append(Match(at_old + len(old) - tail, at_new + len(new) - tail, tail))
    return matches


def _between_anchors(old: list[int], new: list[int], at_old: int, at_new: int, depth: int) -> list[Match]:
    matches: list[Match] = []
    from_old = from_new = 0
    for i, j in _find_anchors(old, new):
        if from_old < i and from_new < j:
            matches += _match_range(old[from_old:i], new[from_new:j], at_old + from_old, at_new + from_new, depth)
        matches.append(Match(at_old + i, at_new + j, 1))
        from_old, from_new = i + 1, j + 1
    if matches:  # without an anchor this would repeat the call
        matches += _match_range(old[from_old:], new[from_new:], at_old + from_old, at_new + from_new, depth)
    return matches


def _find_anchors(old: list[int], new: list[int]) -> list[tuple[int, int]]:
    """Return the index pairs of items that occur once on both sides; the longest selection in the same order."""
    counted_old, counted_new = Counter(old), Counter(new)
    positions = {item: index for index, item in enumerate(new) if counted_new[item] == 1}
    pairs = [(index, positions[item]) for index, item in enumerate(old) if counted_old[item] == 1 and item in positions]
    # Longest increasing subsequence of positions in `new`: `ends` has the smallest end of a subsequence of each length.
    ends: list[int] = []
    last: list[int] = []
    before = [-1] * len(pairs)
    for number, (_, position) in enumerate(pairs):
        length = bisect_left(ends, position)
        before[number] = last[length - 1] if length else -1
        ends[length : length + 1] = [position]
        last[length : length + 1] = [number]
    chosen: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        chosen.append(pairs[number])
        number = before[number]
    return chosen[::-1]


def _longest_common_subsequence(old: list[int], new: list[int]) -> list[tuple[int, int]]:
    """Return the index pairs of a longest common subsequence. The shorter side gives the rows: wide rows cost little more."""
    if len(old) > len(new):
        return [(i, j) for j, i in _longest_common_subsequence(new, old)]
    if not old:
        return []
    masks: dict[int, int] = {}
    for index, item in enumerate(new):
        masks[item] = masks.get(item, 0) | 1 << index
    full = (1 << len(new)) - 1
    # A bit of a row is 0 where one more item of `new` lengthens the subsequence.
    row, rows = full, []
    for item in old:
        common = row & masks.get(item, 0)
        row = (row + common | row - common) & full
        rows.append(row)
    return _backtrack(rows, len(new), full)


def _backtrack(rows: list[int], width: int, full: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for index in range(len(rows) - 1, -1, -1):
        # The last column in which the subsequence of this row grows.
        column = (~rows[index] & (1 << width) - 1).bit_length() - 1
        if column < 0:
            break
        above = rows[index - 1] if index else full
        if above >> column & 1:
            pairs.append((index, column))
            width = column
        else:
            width = column + 1
    return pairs[::-1]
