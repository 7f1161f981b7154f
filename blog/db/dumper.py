"""The interface of database dumps, which `blog backup` and `blog restore` use. All methods block."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blog.progress import Progress


@dataclass(frozen=True, slots=True)
class DumpInfo:
    """The content of a dump.

    `migration` is its schema revision, None if it has none. `counts` has the number of rows by table. `damage` has one sentence
    for each fault.
    """

    migration: str | None
    counts: Mapping[str, int]
    damage: tuple[str, ...]


class Replacement(Protocol):
    """A new database that is prepared to replace the current one."""

    path: Path
    """The file into which the caller extracts the dump."""
    url: str
    """The new database after `load`: the caller can migrate and change it before `swap`."""

    def load(self) -> None:
        """Create the database at `url` from the dump at `path`. Raises Unavailable."""
        ...

    def swap(self) -> str | None:
        """Replace the current database atomically. Return the new name of the old one, or None if there was none."""
        ...


class DatabaseDumper(Protocol):
    """Dump one database and restore dumps. Raises Conflict if this machine lacks a tool for it."""

    kind: str
    """The kind of database, as archives name it."""
    member: str
    """The name of the dump in an archive."""

    def dump(self, target: Path, while_locked: Callable[[], None], progress: Progress) -> None:
        """Write the state of the database at one instant to a new file. Other connections can go on writing.

        `while_locked` is called at that instant, with the write lock held: no transaction commits until it returns.
        Raises Unavailable.
        """
        ...

    def inspect(self, copy: Path) -> DumpInfo:
        """Check a dump for damage and count its rows. Raises Unavailable if it cannot be read at all."""
        ...

    def replace(self, *, force: bool) -> AbstractContextManager[Replacement]:
        """Lock the database and prepare a replacement. Without `Replacement.swap` the database stays as it is.

        Raises Conflict if another program has the database open or, without `force`, if it has accounts or posts; Unavailable.
        """
        ...
