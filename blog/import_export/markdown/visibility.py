"""Visibility of imported posts: whether the old site shows a post to everybody, and since when.

Metadata that may hide a post and is not understood makes it a draft, with a warning: an import publishes nothing by accident.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from blog.import_export.markdown import front_matter
from blog.import_export.markdown.front_matter import FrontMatterError
from blog.import_export.markdown.front_matter_values import FrontMatterValues
from blog.import_export.markdown.visibility_keys import (
    DATES,
    PUBLICATION_DATES,
    Verdict,
    as_date,
    is_harmless,
    judge,
    judge_table,
    simplify,
)

_MAX_DEPTH = 8
"""The depth of tables that are read. A deeper one may hide the post."""


class DateSource(StrEnum):
    """The place where a date was found."""

    FRONT_MATTER = "front matter"
    FILE_NAME = "file name"
    PATH = "Zola path"


class Doubt(NamedTuple):
    """A reason to import a post as a draft although nothing calls it one. `str()` is the warning.

    - `cause`: a key (in a table: with dots), or a phrase; without control characters.
    - `is_key`: whether the operator can declare the cause harmless.
    """

    cause: str
    is_key: bool = False

    def __str__(self) -> str:
        cause = f"the key '{self.cause}'" if self.is_key else self.cause
        advice = "publish it in the blog" + (", or import it with --ignore-key" if self.is_key else "")
        return f"imported as a draft because of {cause}: {advice}"


NO_DATE = Doubt("no date")


@dataclass(frozen=True, slots=True)
class Visibility:
    """The visibility of a post.

    - `draft`: whether only authors and editors may see it.
    - `visible_from`: the time before which it is hidden; None if the post has no date.
    - `doubts`: why it is a draft although nothing calls it one.
    """

    date: dt.datetime | None
    date_source: DateSource | None
    draft: bool
    visible_from: dt.datetime | None
    doubts: tuple[Doubt, ...]


def section_doubt(index_page: str, ignored_keys: AbstractSet[str]) -> Doubt | None:
    """Return why the index page of a section hides the posts below it: a draft of Zola, or a `cascade` of Hugo."""
    try:
        values = FrontMatterValues(front_matter.split(index_page))
    except FrontMatterError:
        return Doubt("an unreadable section page")
    passed_on = {key: value for key, value in values.items() if simplify(key) in ("draft", "cascade")}
    for key, verdict in _hiding_settings(passed_on):
        if verdict is Verdict.HIDDEN:
            return Doubt("its draft section")
        if simplify(key) not in ignored_keys:
            return _doubt_about(key)
    return None


def read_visibility(
    values: FrontMatterValues,
    path: str,
    path_date: dt.datetime | None,
    name_date: dt.datetime | None,
    *,
    section: Doubt | None = None,
    ignored_keys: AbstractSet[str] = frozenset(),
) -> Visibility:
    """Return the visibility of the post at `path`.

    path_date, name_date: dates of the URL and of the file name, if any.
    section: why the sections above hide the post, if they do.
    ignored_keys: simplified names of keys that are never doubts.

    Raises FrontMatterError for a `date`, `draft` or `published` that cannot be read.
    """
    date, source = _read_date(values, path_date, name_date)
    parts = PurePosixPath(path).parts
    settings = list(_hiding_settings(dict(values.items())))
    for key, verdict in settings:
        if verdict is Verdict.UNCLEAR and simplify(key) in ("draft", "published"):
            raise values.error(key, "must be true or false")
    unclear = dict.fromkeys(key for key, verdict in settings if verdict is Verdict.UNCLEAR)
    # Jekyll and Hexo leave out files and folders that begin with an underscore.
    doubts = [Doubt(f"the name {part!r}") for part in parts if part.startswith("_") and part not in ("_posts", "_drafts")]
    doubts += [_doubt_about(key) for key in unclear if simplify(key) not in ignored_keys]
    doubts += [section] if section else []
    doubts += [] if date else [NO_DATE]
    gates = [gate for key, value in values.items() if simplify(key) in PUBLICATION_DATES and (gate := as_date(value))]
    return Visibility(
        date=date,
        date_source=source,
        draft="_drafts" in parts or bool(doubts) or any(verdict is Verdict.HIDDEN for _, verdict in settings),
        visible_from=max([date, *gates]) if date else None,
        doubts=tuple(doubts),
    )


def _doubt_about(key: str) -> Doubt:
    return Doubt(repr(key)[1:-1], is_key=True)


def _read_date(
    values: FrontMatterValues, path_date: dt.datetime | None, name_date: dt.datetime | None
) -> tuple[dt.datetime | None, DateSource | None]:
    """Return the date of the front matter, else of the path, else of the file name."""
    by_name = {simplify(key): (key, value) for key, value in reversed(list(values.items()))}
    for name in DATES:
        key, value = by_name.get(name, ("", None))
        if (date := as_date(value)) is not None:
            return date, DateSource.FRONT_MATTER
        if name == "date" and value not in (None, ""):
            raise values.error(key, "must be a date such as 2024-05-31 or 2024-05-31T09:00:00Z")
    if path_date:
        return path_date, DateSource.PATH
    return name_date, DateSource.FILE_NAME if name_date else None


def _hiding_settings(values: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
    """Yield the keys that hide the post or may hide it. A key in a table has a dotted name, and is a doubt at most."""
    seen: set[int] = set()
    for key, value in values.items():
        yield from _read_setting(key, key, value, seen, 0)


def _read_setting(path: str, key: str, value: Any, seen: set[int], depth: int) -> Iterator[tuple[str, Verdict]]:
    """Yield the hiding settings under a key.

    seen: the ids of the tables and lists that were read. Aliases of YAML can repeat one exponentially, or without end.
    """
    name = simplify(key)
    if isinstance(value, Mapping | list):
        verdict = judge_table(name, value) if isinstance(value, Mapping) else None
        if verdict is None and depth == _MAX_DEPTH:
            verdict = Verdict.UNCLEAR
        if verdict is None and id(value) not in seen and not is_harmless(name):
            seen.add(id(value))
            for inner_path, inner_key, inner in _items(path, key, value):
                yield from _read_setting(inner_path, inner_key, inner, seen, depth + 1)
    else:
        verdict = judge(name, value, is_top_level=depth == 0)
    if verdict not in (None, Verdict.SHOWN):
        yield path, verdict if depth == 0 else Verdict.UNCLEAR


def _items(path: str, key: str, value: Mapping[Any, Any] | list[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield path, key and value of the items. Those of a list belong to the key of the list."""
    if isinstance(value, Mapping):
        yield from ((f"{path}.{inner}", str(inner), item) for inner, item in value.items())
    else:
        yield from ((path, key, item) for item in value)
