"""Faults that integrity checks report."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

BATCH_SIZE = 200
_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of damage. `message` says what is wrong and, without a `repair`, what to do."""

    message: str
    repair: Callable[[], Awaitable[object]] | None = None

    def __str__(self) -> str:
        return f"{self.message}: run `blog check --repair`" if self.repair else self.message


def summarise(names: Sequence[str]) -> str:
    """Return the first names and the number of the others, as text."""
    more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
