"""Parsing of a Markdown file into a post, whichever engine the file was written for."""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from blog.domain.posts.post_content import POST_FIELDS, PostField
from blog.domain.posts.slugs import MAX_SLUG_LENGTH
from blog.import_export.markdown import dates, front_matter, slugs
from blog.import_export.markdown.folder import Rejection, SourceFolder, UnreadableFile, language_suffix
from blog.import_export.markdown.front_matter import Document, FrontMatterError, FrontMatterKind
from blog.schemas.fields import MAX_CONTENT_BYTES

MAX_NAME_LENGTH = 200
"""The maximum length of a title and of an author's name, in characters."""
TOO_LONG = f"the text has more than {MAX_CONTENT_BYTES} bytes, the limit of a post: split it"
"""The reason for rejecting a post with a body over the limit."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_CONTROL_CHARACTER = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INVALID_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"[\t\n\r\x85\u2028\u2029]")
_TRUE_WORDS, _FALSE_WORDS = frozenset({"true", "yes", "on", "y", "1"}), frozenset({"false", "no", "off", "n", "0"})


DateAndSource = tuple[dt.datetime | None, "DateSource | None"]
"""A date and its source."""


class DateSource(StrEnum):
    """The place where a date was found."""

    FRONT_MATTER = "front matter"
    FILE_NAME = "file name"
    PATH = "Zola path"


@dataclass(frozen=True, slots=True)
class SourcePost:
    """A parsed file.

    - `digest`: the SHA-256 of the file in hex.
    - `date`: an aware UTC datetime.
    - `slug`, `aliases`, `permalink`: safe slugs, in the spelling of the file.
    - `authors`, `tags`, `categories`: names as written, in order.
    - `fields`: the fields of `PostContent` that have keys in front matter and are present, by name.
    - `body` and the texts in `fields`: Markdown with the shortcodes of the engine.
    """

    path: str
    digest: str
    kind: FrontMatterKind
    title: str
    date: dt.datetime | None
    date_source: DateSource | None
    slug: str
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    categories: tuple[str, ...]
    draft: bool
    aliases: tuple[str, ...]
    permalink: str | None
    fields: Mapping[str, Any]
    language: str | None
    body: str
    warnings: tuple[str, ...]

    @property
    def old_slugs(self) -> tuple[str, ...]:
        """The slugs of the old URLs of the post."""
        known = (*self.aliases, self.permalink)
        return tuple(dict.fromkeys(slug for slug in known if slug and slug != self.slug))

    @property
    def slug_candidates(self) -> list[str]:
        """The slug, then the slug with the language, in case another post has the first."""
        if self.language is None:
            return [self.slug]
        return [self.slug, f"{self.slug[: MAX_SLUG_LENGTH - 1 - len(self.language)]}-{self.language}"]

    def accepts_slug(self, slug: str) -> bool:
        """Return whether an import may have assigned this slug: a candidate, or a candidate with a number."""
        stem = self.slug_candidates[-1][: MAX_SLUG_LENGTH - 8]
        return slug in self.slug_candidates or re.fullmatch(rf"{re.escape(stem)}-\d+", slug) is not None


def read_post(folder: SourceFolder, path: str) -> SourcePost | Rejection:
    """Read and parse one file of the folder."""
    try:
        data = folder.read(path)
        text = _decode(data)
        document = front_matter.split(text)
        if len(document.body.encode()) > MAX_CONTENT_BYTES:
            raise FrontMatterError(1, TOO_LONG)
        return _parse_post(folder, path, hashlib.sha256(data).hexdigest(), document)
    except UnreadableFile as error:
        return Rejection(path, 1, str(error))
    except FrontMatterError as error:
        return Rejection(path, error.line, error.reason)


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise FrontMatterError(line, "not UTF-8: convert the file") from None
    if "\0" in text:
        raise FrontMatterError(1 + text.count("\n", 0, text.index("\0")), "contains a NUL character: not a text file")
    return text.replace("\r\n", "\n")


def _parse_post(folder: SourceFolder, path: str, digest: str, document: Document) -> SourcePost:
    values = _FrontMatterValues(document)
    language = language_suffix(path, folder.languages)
    name_date, name = dates.split_dated_name(slugs.post_stem(path, language))
    path_date, path_slug = dates.split_dated_path(values.text("path"))
    written_slug = values.text("slug") or path_slug or name
    date, date_source = values.date(path_date, name_date)
    body, warnings = _strip_control_characters(document.body)
    permalink = values.text("path") or values.text("permalink")
    return SourcePost(
        path=path,
        digest=digest,
        kind=document.kind,
        title=values.line("title") or slugs.title_from_slug(written_slug)[:MAX_NAME_LENGTH],
        date=date,
        date_source=date_source,
        slug=slugs.safe_slug(written_slug),
        authors=values.names("authors", "author"),
        tags=values.names("tags", "tag", inside="taxonomies"),
        categories=values.names("categories", "category", inside="taxonomies"),
        draft=values.boolean("draft") is True or values.boolean("published") is False or _is_in_drafts_folder(path),
        aliases=tuple(slug for alias in values.names("aliases", "redirect_from") if (slug := slugs.slug_from_url(alias))),
        # A permalink without a slash is a style (`pretty`) or a switch (`false`). Zola's `path` is always a path.
        permalink=slugs.slug_from_url(permalink) if "/" in permalink or "path" in document.values else None,
        fields={field.name: value for field in POST_FIELDS if (value := values.post_field(field)) is not None},
        language=_normalise_language(values.text("lang") or values.text("language") or language or ""),
        body=body,
        warnings=warnings,
    )


def _is_in_drafts_folder(path: str) -> bool:
    return "_drafts" in PurePosixPath(path).parts


def _strip_control_characters(body: str) -> tuple[str, tuple[str, ...]]:
    cleaned, count = _CONTROL_CHARACTER.subn(lambda match: "\n" if match[0] in "\x0b\x0c\x85" else "", body)
    return cleaned, (f"{count} control characters were removed from the text",) if count else ()


def _normalise_language(written: str) -> str | None:
    return written.replace("_", "-").lower() if _LANGUAGE.fullmatch(written) else None


class _FrontMatterValues:
    """Typed access to the front matter. All methods raise FrontMatterError, with the line, for a value of the wrong type."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def text(self, key: str) -> str:
        """Return a single value as text; empty if it is absent."""
        value = self._document.values.get(key)
        if not _is_scalar(value):
            raise self._error(key, "must be a single text")
        return self._as_text(key, value)

    def line(self, key: str) -> str:
        """Return a text as one line of at most 200 characters."""
        return self._check_line(key, " ".join(self.text(key).split()))

    def names(self, *keys: str, inside: str = "") -> tuple[str, ...]:
        """Return the names under the first key that has any: a list, or a single text, which is never split.

        `inside` is the table to look in after the top level.
        """
        table = self._document.values.get(inside)
        for values in (self._document.values, table if isinstance(table, Mapping) else {}):
            for key in keys:
                if names := self._list(key, values.get(key)):
                    return names
        return ()

    def boolean(self, key: str) -> bool | None:
        """Return True or False; None if the value is absent."""
        written = self.text(key).lower()
        if written and written not in _TRUE_WORDS | _FALSE_WORDS:
            raise self._error(key, "must be true or false")
        return written in _TRUE_WORDS if written else None

    def post_field(self, field: PostField) -> str | bool | None:
        """Return the value under the first key of the field that has one, or None."""
        if field.is_bool:  # other engines store other values under such a key, so only true and false count
            words = (str(self._document.values.get(key)).lower() for key in field.front_matter)
            return next((word in _TRUE_WORDS for word in words if word in _TRUE_WORDS | _FALSE_WORDS), None)
        return next((text for key in field.front_matter if (text := self.text(key))), None)

    def date(self, path_date: dt.datetime | None, name_date: dt.datetime | None) -> "DateAndSource":
        """Return the date of the front matter, else of the path, else of the file name."""
        value = self._document.values.get("date")
        if value is not None and value != "":
            try:
                return dates.parse(value), DateSource.FRONT_MATTER
            except ValueError:
                raise self._error("date", "must be a date such as 2024-05-31 or 2024-05-31T09:00:00Z") from None
        if path_date:
            return path_date, DateSource.PATH
        return name_date, DateSource.FILE_NAME if name_date else None

    def _list(self, key: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        # Some engines describe an author by a table with a name in it.
        names = [item.get("name") if isinstance(item, Mapping) else item for item in items]
        if not all(_is_scalar(name) for name in names):
            raise self._error(key, "must be a list of names")
        return tuple(self._check_line(key, text) for name in names if (text := self._as_text(key, name)))

    def _check_line(self, key: str, text: str) -> str:
        if len(text) > MAX_NAME_LENGTH:
            raise self._error(key, f"longer than {MAX_NAME_LENGTH} characters")
        if _LINE_END.search(text):
            raise self._error(key, "must be a single line")
        return text

    def _as_text(self, key: str, value: Any) -> str:
        text = "" if value is None else str(value).strip()
        # Escapes in YAML and TOML can produce characters that a text file cannot contain.
        if _INVALID_CHARACTER.search(text):
            raise self._error(key, "control characters and unpaired surrogates are not allowed")
        return text

    def _error(self, key: str, reason: str) -> FrontMatterError:
        return FrontMatterError(self._document.line_number(key), f"{key}: {reason}")


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict | set | tuple | bytes)
