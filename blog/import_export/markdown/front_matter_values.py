"""Typed access to the values of front matter."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from blog.domain.posts.post_content import PostField
from blog.import_export.markdown.front_matter import Document, FrontMatterError
from blog.text.normalisation import normalise_line

MAX_NAME_LENGTH = 200
"""The maximum length of a title and of an author's name, in characters."""
TRUE_WORDS, FALSE_WORDS = frozenset({"true", "yes", "on", "y", "1"}), frozenset({"false", "no", "off", "n", "0"})

_INVALID_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"[\t\n\r\x85\u2028\u2029]")


class FrontMatterValues:
    """Typed access to the front matter. All methods raise FrontMatterError, with the line, for a value of the wrong type."""

    def __init__(self, document: Document) -> None:
        self._document = document
        # Hugo ignores the case of names, so `Draft` is `draft`. The exact name goes first.
        self._values = {key.lower(): value for key, value in document.values.items()} | dict(document.values)

    def text(self, key: str) -> str:
        """Return a single value as text; empty if it is absent."""
        value = self._values.get(key)
        if not _is_scalar(value):
            raise self.error(key, "must be a single text")
        return self._as_text(key, value)

    def line(self, key: str) -> str:
        """Return a text as one line of at most 200 characters."""
        return self._check_line(key, normalise_line(self.text(key)))

    def names(self, *keys: str, inside: str = "") -> tuple[str, ...]:
        """Return the names under the first key that has any: a list, or a single text, which is never split.

        `inside` is the table to look in after the top level.
        """
        table = self._values.get(inside)
        for values in (self._values, table if isinstance(table, Mapping) else {}):
            for key in keys:
                if names := self._list(key, values.get(key)):
                    return names
        return ()

    def post_field(self, field: PostField) -> str | bool | None:
        """Return the value under the first key of the field that has one, or None."""
        if field.is_bool:  # other engines store other values under such a key, so only true and false count
            words = (str(self._values.get(key)).lower() for key in field.front_matter)
            return next((word in TRUE_WORDS for word in words if word in TRUE_WORDS | FALSE_WORDS), None)
        return next((text for key in field.front_matter if (text := self.text(key))), None)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield the names and values of the file."""
        yield from self._document.values.items()

    def error(self, key: str, reason: str) -> FrontMatterError:
        """Return an error with the line of a key."""
        return FrontMatterError(self._document.line_number(key), f"{key}: {reason}")

    def _list(self, key: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        # Some engines describe an author by a table with a name in it.
        names = [item.get("name") if isinstance(item, Mapping) else item for item in items]
        if not all(_is_scalar(name) for name in names):
            raise self.error(key, "must be a list of names")
        lines = (normalise_line(self._check_line(key, self._as_text(key, name))) for name in names)
        return tuple(line for line in lines if line)

    def _check_line(self, key: str, text: str) -> str:
        if len(text) > MAX_NAME_LENGTH:
            raise self.error(key, f"longer than {MAX_NAME_LENGTH} characters")
        if _LINE_END.search(text):
            raise self.error(key, "must be a single line")
        return text

    def _as_text(self, key: str, value: Any) -> str:
        text = "" if value is None else str(value).strip()
        # Escapes in YAML and TOML can produce characters that a text file cannot contain.
        if _INVALID_CHARACTER.search(text):
            raise self.error(key, "control characters and unpaired surrogates are not allowed")
        return text


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict | set | tuple | bytes)
