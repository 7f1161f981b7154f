"""Three-way merge of two changes to one text."""

from collections.abc import Iterator, Sequence

from blog.text.lcs import find_matches


def merge(base: str, mine: str, theirs: str) -> str | None:
    """Return the text with both changes, or None if both changed the same or adjacent lines.

    - `base`: the common ancestor of `mine` and `theirs`.

    A change on one side is applied; an identical change on both sides is applied once.
    """
    old = base.split("\n")
    sides = mine.split("\n"), theirs.split("\n")
    merged: list[str] = []
    for before, ours, others in _blocks(old, *sides):
        if ours in (before, others):
            merged += others
        elif others == before:
            merged += ours
        else:
            return None
    return "\n".join(merged)


def _blocks(base: list[str], mine: list[str], theirs: list[str]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Split the three texts at each line that both sides left unchanged; such a line is a separate block."""
    in_mine, in_theirs = _line_map(base, mine), _line_map(base, theirs)
    done = (0, 0, 0)
    for index, line in enumerate(base):
        if index in in_mine and index in in_theirs:
            at = (index, in_mine[index], in_theirs[index])
            yield base[done[0] : at[0]], mine[done[1] : at[1]], theirs[done[2] : at[2]]
            yield [line], [line], [line]
            done = (at[0] + 1, at[1] + 1, at[2] + 1)
    yield base[done[0] :], mine[done[1] :], theirs[done[2] :]


def _line_map(base: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Return the index in the other text of each line of the base that it still contains."""
    return {match.old + step: match.new + step for match in find_matches(base, other) for step in range(match.size)}
