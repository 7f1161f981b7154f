"""Two changes of one text as one text, where they do not touch each other."""

from collections.abc import Iterator, Sequence

from blog.text.lcs import find_matches


def merge(base: str, mine: str, theirs: str) -> str | None:
    """The text with both changes, or None where both changed the same lines, or lines that stand next to each other.

    Whoever changes a line alone gets it; a change that both made alike counts once.
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
    """The three texts cut at each line that both changes left alone; such a line is a block of its own."""
    in_mine, in_theirs = _line_map(base, mine), _line_map(base, theirs)
    done = (0, 0, 0)
    for index, line in enumerate(base):
        if index in in_mine and index in in_theirs:
            here = (index, in_mine[index], in_theirs[index])
            yield base[done[0] : here[0]], mine[done[1] : here[1]], theirs[done[2] : here[2]]
            yield [line], [line], [line]
            done = (here[0] + 1, here[1] + 1, here[2] + 1)
    yield base[done[0] :], mine[done[1] :], theirs[done[2] :]


def _line_map(base: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Where each line of the base stands in the other text, if it is still there."""
    return {match.old + step: match.new + step for match in find_matches(base, other) for step in range(match.size)}
