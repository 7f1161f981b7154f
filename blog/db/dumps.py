"""Whole copies of a database, to keep and to bring back; each kind of database has its own way.

All of it blocks: it is for commands.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Progress = Callable[[int, int], None]
"""Is told what is done and what there is to do, in a unit of the teller's own."""


@dataclass(frozen=True, slots=True)
class DumpInfo:
    """What a copy holds: its migration, rows by table, and what is wrong with it, a sentence for each."""

    migration: str | None
    counts: Mapping[str, int]
    damage: tuple[str, ...]


class Replacement(Protocol):
    """A copy that is being made ready to take the place of the database."""

    path: Path
    """Where to put the copy."""
    url: str
    """Where the copy can be migrated and changed, once it is there."""

    def load(self) -> None:
        """Make what lies at `path` ready for use at `url`. Raises Unavailable."""
        ...

    def swap(self) -> str | None:
        """Put it in the place of the database, at once; where the old one is kept, if there was one."""
        ...


class DatabaseDumper(Protocol):
    """Takes copies of one database, and brings them back. Raises Conflict when this machine lacks a tool for it."""

    kind: str
    """The kind of database, as archives name it."""
    member: str
    """The name of the copy in an archive."""

    def dump(self, target: Path, while_locked: Callable[[], None], progress: Progress) -> None:
        """Copy the database, as it is at one instant, to a new file. Others go on writing.

        `meanwhile` is called at that instant: nobody writes until it returns. Raises Unavailable.
        """
        ...

    def inspect(self, copy: Path) -> DumpInfo:
        """Look through a copy for damage, and count its rows. Raises Unavailable when it cannot be read at all."""
        ...

    def replace(self, *, force: bool) -> AbstractContextManager[Replacement]:
        """Take the database out of use, to put a copy in its place. What is not swapped leaves it as it was.

        Raises Conflict when somebody has it open or, unless `force`, when it holds accounts or posts; Unavailable.
        """
        ...


def for_url(url: str) -> DatabaseDumper:
    """For the database of this URL."""
    if url.startswith("postgresql:"):
        from blog.db.postgresql.dumps import PostgreSQLDumper

        return PostgreSQLDumper(url)
    from blog.db.sqlite.dumps import SQLiteDumper

    return SQLiteDumper(url)
