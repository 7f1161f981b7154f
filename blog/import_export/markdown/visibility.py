"""Visibility of imported posts: whether the old site shows a post to everybody, and since when.

Metadata that may hide a post and is not understood makes it a draft, with a warning: an import publishes nothing by accident.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from blog.import_export.markdown import dates, front_matter
from blog.import_export.markdown.front_matter import FrontMatterError
from blog.import_export.markdown.front_matter_values import FALSE_WORDS, TRUE_WORDS, FrontMatterValues

# Names without case, `-` and `_`.
_HIDDEN_IF_TRUE = frozenset(
    {
        "draft", "isdraft", "hidden", "ishidden", "hide", "unlisted", "isunlisted", "private", "isprivate", "unpublished",
        "secret", "headless", "wip", "members", "membersonly", "paid", "trash", "trashed", "deleted", "removed", "disabled",
        "exclude", "excluded", "ignore", "entwurf", "brouillon", "borrador", "eleventyexcludefromcollections",
    }
)  # fmt: skip
_HIDDEN_IF_FALSE = frozenset(
    {
        "published",
        "ispublished",
        "publish",
        "public",
        "ispublic",
        "listed",
        "visible",
        "isvisible",
        "render",
        "online",
        "enabled",
        "active",
        "ready",
        "build",
        "output",
    }
)
_STATES = frozenset({"status", "state", "poststatus", "publishstatus", "visibility", "access", "tier", "stage"})
_PUBLIC_STATES = frozenset({"published", "publish", "public", "live", "visible", "everyone", "free", "open"})
_DATES = (
    "date", "pubdate", "publishdate", "publishedat", "publishat", "datepublished", "publicationdate", "publishedon", "published",
    "posted", "created", "createdat", "datecreated",
)  # fmt: skip
_MAY_HIDE = re.compile(r"draft|unpublish|unlist|privat|hidden|secret|passw|restrict|confidential|protect|expir")
_MAY_SHOW = re.compile(r"publish|pubdate|publicationdate|visib|embargo|golive")
_OTHER_MEANINGS = re.compile(r"publisher|publishedby|publishedin")
_LABELS = frozenset({"type", "layout", "category", "categories", "tag", "tags", "kind"})
_DRAFT_LABELS = frozenset({"draft", "drafts", "wip"})
_TABLES = frozenset({"params", "extra", "metadata", "meta", "taxonomies"})
"""Tables in which engines keep values of the site's own."""
_PUBLIC_BUILD = frozenset({"always", "true"})


class DateSource(StrEnum):
    """The place where a date was found."""

    FRONT_MATTER = "front matter"
    FILE_NAME = "file name"
    PATH = "Zola path"


@dataclass(frozen=True, slots=True)
class Visibility:
    """The visibility of a post.

    - `draft`: whether only authors and editors may see it.
    - `visible_from`: the time before which it is hidden; None if the post has no date.
    - `warnings`: why it is a draft although nothing calls it one.
    """

    date: dt.datetime | None
    date_source: DateSource | None
    draft: bool
    visible_from: dt.datetime | None
    warnings: tuple[str, ...]


def hides_section(index_page: str) -> bool:
    """Return whether the index page of a section hides the posts below it: a draft of Zola, or a `cascade` of Hugo."""
    try:
        document = front_matter.split(index_page)
        values = FrontMatterValues(document)
        cascades = document.values.get("cascade") or []
        passed_on = [cascades] if isinstance(cascades, Mapping) else cascades
        settings = [setting for cascade in passed_on if isinstance(cascade, Mapping) for setting in cascade.items()]
        settings += [(key, value) for key, value in values.items() if _plain(key) == "draft"]
        return any(_hiding_reason(values, str(key), value) is not None for key, value in settings)
    except FrontMatterError:
        return True


def read_visibility(
    values: FrontMatterValues,
    path: str,
    path_date: dt.datetime | None,
    name_date: dt.datetime | None,
    *,
    is_section_hidden: bool = False,
) -> Visibility:
    """Return the visibility of the post at `path`.

    path_date, name_date: dates of the URL and of the file name, if any.
    is_section_hidden: whether a folder above has an index page that hides its posts.

    Raises FrontMatterError for a `date`, `draft` or `published` that cannot be read.
    """
    date, source = _read_date(values, path_date, name_date)
    reasons = list(_hiding_reasons(values, path))
    if is_section_hidden:
        reasons.append("its section is hidden")
    if date is None:
        reasons.append("no date")
    gates = [gate for key, value in values.items() if _MAY_SHOW.search(_plain(key)) and (gate := _as_date(value)) is not None]
    return Visibility(
        date=date,
        date_source=source,
        draft=bool(reasons),
        visible_from=max([date, *gates]) if date else None,
        warnings=tuple(f"{reason}: imported as a draft" for reason in reasons if reason),
    )


def _read_date(
    values: FrontMatterValues, path_date: dt.datetime | None, name_date: dt.datetime | None
) -> tuple[dt.datetime | None, DateSource | None]:
    """Return the date of the front matter, else of the path, else of the file name."""
    by_name = {_plain(key): (key, value) for key, value in reversed(list(values.items()))}
    for name in _DATES:
        key, value = by_name.get(name, ("", None))
        if (date := _as_date(value)) is not None:
            return date, DateSource.FRONT_MATTER
        if name == "date" and value not in (None, ""):
            raise values.error(key, "must be a date such as 2024-05-31 or 2024-05-31T09:00:00Z")
    if path_date:
        return path_date, DateSource.PATH
    return name_date, DateSource.FILE_NAME if name_date else None


def _hiding_reasons(values: FrontMatterValues, path: str) -> Iterator[str]:
    """Yield why the post is hidden: an empty reason if it says so itself, a text for a warning if not."""
    for part in PurePosixPath(path).parts:
        if part == "_drafts":
            yield ""
        elif part.startswith("_") and part != "_posts":  # Jekyll and Hexo leave such files out
            yield f"{part!r} begins with an underscore"
    for key, value in values.items():
        reason = _hiding_reason(values, key, value)
        if reason is not None:
            yield reason


def _hiding_reason(values: FrontMatterValues, key: str, value: Any) -> str | None:
    """Return why a value hides the post; None if it does not."""
    name, word = _plain(key), str(value).strip().lower()
    if value is None or word == "":
        return None
    unclear = f"{key!r} may hide the post"
    if name in _TABLES and isinstance(value, Mapping):
        reasons = [_hiding_reason(values, str(inner), setting) for inner, setting in value.items()]
        return next((reason for reason in reasons if reason is not None), None)
    if name in _LABELS:
        labels = value if isinstance(value, list) else [value]
        return unclear if any(str(label).strip().lower() in _DRAFT_LABELS for label in labels) else None
    if name == "build" and isinstance(value, Mapping):
        return None if all(_is_public_build(setting) for setting in value.items()) else ""
    if name in _STATES:
        return None if word in _PUBLIC_STATES else ""
    if name == "permalink":
        return "" if word in FALSE_WORDS else None
    hides_if_true = name in _HIDDEN_IF_TRUE
    if hides_if_true or name in _HIDDEN_IF_FALSE:
        if word in TRUE_WORDS | FALSE_WORDS:
            return "" if (word in TRUE_WORDS) is hides_if_true else None
        if not hides_if_true and _as_date(value) is not None:
            return None
        if name in ("draft", "published"):
            raise values.error(key, "must be true or false")
        return unclear
    if _OTHER_MEANINGS.search(name):
        return None
    if _MAY_HIDE.search(name):
        return None if word in FALSE_WORDS else unclear
    if _MAY_SHOW.search(name):
        return None if word in TRUE_WORDS or _as_date(value) is not None else unclear
    return None


def _is_public_build(setting: tuple[Any, Any]) -> bool:
    name, value = setting
    return _plain(str(name)) not in ("render", "list") or str(value).strip().lower() in _PUBLIC_BUILD


def _as_date(value: Any) -> dt.datetime | None:
    try:
        return dates.parse(value) if value is not None else None
    except ValueError:
        return None


def _plain(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())
