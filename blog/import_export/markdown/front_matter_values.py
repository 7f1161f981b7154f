"""Typed access to the values of front matter."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blog.domain.posts.post_content import PostField
from blog.import_export.markdown.front_matter import Document, FrontMatterError
from blog.schemas.fields import MAX_TITLE_LENGTH
from blog.text.normalisation import normalise_line

MAX_NAME_LENGTH = 200
"""The maximum length of an author's name, in characters."""
TRUE_WORDS, FALSE_WORDS = frozenset({"true", "yes", "on", "y", "1"}), frozenset({"false", "no", "off", "n", "0"})

_INVALID_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"[\t\n\r\x85\u2028\u2029]")

# The keys of Jekyll, Hugo, Zola, Hexo and Astro, and of their common themes, in lower case.
_IMAGE_KEYS = (
    "feature_image", "featured_image", "featuredimage", "feature", "cover_image", "coverimage", "cover.image", "cover",
    "header.image", "header.teaser", "heroimage", "hero_image", "hero", "image", "images", "thumbnail", "banner",
)  # fmt: skip
_ADDRESS_KEYS = ("src", "path", "url", "image", "file", "feature", "teaser")
_IMAGE_ADDRESS = re.compile(r"https?://\S+|[^\s?#]+\.(?:avif|gif|jpe?g|png|webp)(?:[?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LeadImage:
    """The image above a post: a path or a URL as written, with its texts."""

    address: str
    alt: str
    caption: str


class FrontMatterValues:
    """Typed access to the front matter. All methods raise FrontMatterError, with the line, for a value of the wrong type."""

    def __init__(self, document: Document) -> None:
        self._document = document
        # Hugo ignores the case of names, so `Draft` is `draft`. The exact name goes first.
        self._values = _lower_keys(document.values) | dict(document.values)

    def text(self, key: str) -> str:
        """Return a single value as text; empty if it is absent."""
        return self._as_text(*self._require_scalar(key, self._values.get(key)))

    def line(self, key: str) -> str:
        """Return a text as one line, as long as a title may be."""
        return self._check_line(key, normalise_line(self.text(key)), MAX_TITLE_LENGTH)

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
            words = (str(self._find(key)[1]).lower() for key in field.front_matter)
            return next((word in TRUE_WORDS for word in words if word in TRUE_WORDS | FALSE_WORDS), None)
        found = (self._as_text(*self._find(key)) for key in field.front_matter)
        return next((text for text in found if text), None)

    def lead_image(self) -> LeadImage | None:
        """Return the image that themes show above the post, or None."""
        for path in _IMAGE_KEYS:
            for table in self._tables():
                image = _image_at(table, path)
                if image is not None:
                    return image
        return None

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield the names and values of the file."""
        yield from self._document.values.items()

    def error(self, key: str, reason: str) -> FrontMatterError:
        """Return an error with the line of a key."""
        return FrontMatterError(self._document.line_number(key), f"{key}: {reason}")

    def _find(self, path: str) -> tuple[str, Any]:
        """Return the key at the top level and the single value of a path such as `seo.title`; None if it has none.

        The path is also looked up in the tables for themes.
        """
        *tables, name = path.split(".")
        for table in self._tables():
            for part in tables:
                table = _lower_keys(table.get(part))
            if (value := table.get(name)) is not None:
                return self._require_scalar((*tables, name)[0], value)
        return name, None

    def _tables(self) -> Iterator[Mapping[str, Any]]:
        """Yield the front matter, and the tables in which Zola and Hugo have the keys of themes."""
        yield self._values
        yield from (_lower_keys(self._values.get(name)) for name in ("extra", "params"))

    def _require_scalar(self, key: str, value: Any) -> tuple[str, Any]:
        if not _is_scalar(value):
            raise self.error(key, "must be a single text")
        return key, value

    def _list(self, key: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        # Some engines describe an author by a table with a name in it.
        names = [item.get("name") if isinstance(item, Mapping) else item for item in items]
        if not all(_is_scalar(name) for name in names):
            raise self.error(key, "must be a list of names")
        lines = (normalise_line(self._check_line(key, self._as_text(key, name))) for name in names)
        return tuple(line for line in lines if line)

    def _check_line(self, key: str, text: str, max_length: int = MAX_NAME_LENGTH) -> str:
        if len(text) > max_length:
            raise self.error(key, f"longer than {max_length} characters")
        if _LINE_END.search(text):
            raise self.error(key, "must be a single line")
        return text

    def _as_text(self, key: str, value: Any) -> str:
        text = "" if value is None else str(value).strip()
        # Escapes in YAML and TOML can produce characters that a text file cannot contain.
        if _INVALID_CHARACTER.search(text):
            raise self.error(key, "control characters and unpaired surrogates are not allowed")
        return text


def _image_at(table: Mapping[str, Any], path: str) -> LeadImage | None:
    """Return the image under a path such as `cover.image`: a text, the first of a list, or a table with its address."""
    *tables, name = path.split(".")
    for part in tables:
        table = _lower_keys(table.get(part))
    value = table.get(name)
    value = value[0] if isinstance(value, list) and value else value
    texts, prefix = (_lower_keys(value), "") if isinstance(value, Mapping) else (table, "" if tables else name)
    address = next((texts[key] for key in _ADDRESS_KEYS if texts.get(key)), None) if isinstance(value, Mapping) else value
    if not isinstance(address, str) or not _IMAGE_ADDRESS.fullmatch(address.strip()):
        return None
    alt, caption = (_text_at(texts, prefix, endings) for endings in (("alt", "_alt"), ("caption", "_caption")))
    return LeadImage(address.strip(), alt, caption)


def _text_at(table: Mapping[str, Any], prefix: str, endings: tuple[str, ...]) -> str:
    found = (table.get(f"{prefix}{ending}") for ending in endings)
    return next((normalise_line(text) for text in found if isinstance(text, str) and not _INVALID_CHARACTER.search(text)), "")


def _lower_keys(table: Any) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in table.items()} if isinstance(table, Mapping) else {}


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict | set | tuple | bytes)
