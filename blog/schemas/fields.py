"""Field types of several models, such as titles, slugs and tags."""

import datetime as dt
import re
import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from blog.text import language_tags
from blog.text.markup import MAX_MARKUP, count_markup
from blog.text.normalisation import BLANK, INVISIBLE, fold_name, has_visible_text, normalise_line

MAX_CONTENT_BYTES = 1_048_576
MAX_TITLE_LENGTH = 300
MAX_TAGS, MAX_TAG_LENGTH = 30, 50
MAX_CAPTION_LENGTH = 600
MAX_EXCERPT_LENGTH, MAX_META_TITLE_LENGTH, MAX_META_DESCRIPTION_LENGTH = 600, 300, 500
# Unicode category Cc without tab and line ends. U+2028 and U+2029 are line ends too.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"[\t\n\r\u2028\u2029]")
_SLUG = re.compile(r"[^\W_](?:[\w.-]*\w)?")
# The same rules for the OpenAPI document. The functions below validate, because their messages are more specific.
_C, _CL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f", r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_I = INVISIBLE + BLANK
_DOCUMENTED_PATTERNS = {
    "text": rf"^[^{_C}]*$",
    "text, not blank": rf"^[^{_C}]*[^\s{_C}{_I}][^{_C}]*$",
    "line": rf"^[^{_CL}]*$",
    "line, not blank": rf"^[^{_CL}]*[^\s{_CL}{_I}][^{_CL}]*$",
    "tag": rf"^[^,{_CL}]*[^,\s{_CL}{_I}][^,{_CL}]*$",
    "slug": rf"^{_SLUG.pattern}$",
}


class Input(BaseModel):
    """Base of request models. Unknown members are errors, so that a misspelt name is noticed."""

    model_config = ConfigDict(extra="forbid")


def _remove_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class Changes(Input):
    """Base of models in which an absent member is not a default. The OpenAPI document shows none: clients would send them."""

    model_config = ConfigDict(json_schema_extra=_remove_defaults)


class Output(BaseModel):
    """Base of response models, filled from the attributes of domain objects."""

    model_config = ConfigDict(from_attributes=True)


def validate_text(value: str) -> str:
    """Return the text if it has no control characters and no lone surrogates."""
    if _CONTROL_CHARACTERS.search(value):
        raise PydanticCustomError("control_character", "Control characters are not allowed")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("lone_surrogate", "Remove the lone surrogate, which is not a character") from None
    return value


def _validate_line(value: str) -> str:
    if _LINE_END.search(value):
        raise PydanticCustomError("line_end", "This must be a single line")
    return validate_text(value)


def _normalise(value: Any) -> Any:
    """Return a string as one normalised line: before validation, so that the limits of length apply to what is stored."""
    return normalise_line(_validate_line(value.strip())) if isinstance(value, str) else value


def _require_visible(value: str) -> str:
    if not has_visible_text(value):
        raise PydanticCustomError("invisible", "Write something: this text has only spaces or invisible characters")
    return value


def _drop_invisible(value: str) -> str:
    return value if has_visible_text(value) else ""


def _validate_content(value: str) -> str:
    if len(validate_text(value).encode()) > MAX_CONTENT_BYTES:
        raise PydanticCustomError("too_long", "Use at most 1 MiB of text")
    if (count := count_markup(value)) > MAX_MARKUP:
        raise PydanticCustomError(
            "too_complex",
            "Too much markup: {count} line ends and special characters, at most {limit}. Split the text",
            {"count": count, "limit": MAX_MARKUP},
        )
    return value


def _validate_slug(value: str) -> str:
    # `\w` does not match combining marks, which are the vowels of Hindi and Thai.
    if not _SLUG.fullmatch("".join("a" if unicodedata.category(char).startswith("M") else char for char in value)):
        raise PydanticCustomError(
            "slug", "Use letters, digits, hyphens, dots and underscores only, and begin with a letter or digit"
        )
    return value


def _validate_tag(value: str) -> str:
    if "," in value:
        raise PydanticCustomError("comma", "Remove the comma: it separates tags")
    return value


def integral(value: Any) -> Any:
    """Return an integral float as int: JSON has one number type, so 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _to_utc(value: dt.datetime) -> dt.datetime:
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise PydanticCustomError("instant", "This time is outside the calendar") from None


def _deduplicate(tags: list[str]) -> list[str]:
    """Remove tags that are the same tag as an earlier one, for example in another case."""
    unique: dict[str, str] = {}
    for tag in tags:
        unique.setdefault(fold_name(tag), tag)
    return list(unique.values())


def _require_distinct(usernames: list[str]) -> list[str]:
    if len(set(map(fold_name, usernames))) < len(usernames):
        raise PydanticCustomError("duplicate", "Name each author once")
    return usernames


def _normalise_plain_text(value: Any) -> Any:
    return normalise_line(validate_text(value)) or None if isinstance(value, str) else value


def _null_if_empty(value: Any) -> Any:
    return value.strip() or None if isinstance(value, str) else value


def _normalise_language(value: str) -> str:
    if (tag := language_tags.normalise(value)) is None:
        raise PydanticCustomError("language", "Not a language tag. Use a tag such as en, pt-BR or zh-Hant")
    return tag


def _documented_pattern(rule: str) -> Any:
    return Field(json_schema_extra={"pattern": _DOCUMENTED_PATTERNS[rule]})


NORMALISED = BeforeValidator(_normalise)
"""Put last: makes a string one normalised line before the other rules of its type are checked."""
Line = Annotated[str, AfterValidator(_validate_line), _documented_pattern("line")]
"""One line, exactly as sent."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=100), _documented_pattern("line, not blank"), NORMALISED]
Title = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TITLE_LENGTH), _documented_pattern("line, not blank"), NORMALISED
]
Content = Annotated[
    str,
    AfterValidator(_validate_content),
    _documented_pattern("text"),
    Field(
        description=f"Markdown: at most 1 MiB, and {MAX_MARKUP:,} line ends and special characters outside of code blocks",
        json_schema_extra={"maxLength": MAX_CONTENT_BYTES},
    ),
]
CommentText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000),
    AfterValidator(validate_text),
    AfterValidator(_require_visible),
    _documented_pattern("text, not blank"),
]
Bio = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=1000),
    AfterValidator(validate_text),
    AfterValidator(_drop_invisible),
    _documented_pattern("text"),
]
_PLAIN_TEXT = BeforeValidator(_normalise_plain_text)
EMPTY_IS_NULL = BeforeValidator(_null_if_empty)
"""An empty text is null: forms have no other way to send it."""
Excerpt = Annotated[
    Annotated[str, StringConstraints(max_length=MAX_EXCERPT_LENGTH), _documented_pattern("text")] | None, _PLAIN_TEXT
]
"""Plain text on one line, as the following types; empty text is null."""
MetaTitle = Annotated[
    Annotated[str, StringConstraints(max_length=MAX_META_TITLE_LENGTH), _documented_pattern("text")] | None, _PLAIN_TEXT
]
MetaDescription = Annotated[
    Annotated[str, StringConstraints(max_length=MAX_META_DESCRIPTION_LENGTH), _documented_pattern("text")] | None, _PLAIN_TEXT
]
Caption = Annotated[str, StringConstraints(max_length=MAX_CAPTION_LENGTH), _documented_pattern("line"), NORMALISED]
LanguageTag = Annotated[str, StringConstraints(max_length=language_tags.MAX_LENGTH), AfterValidator(_normalise_language)]
Language = Annotated[LanguageTag | None, EMPTY_IS_NULL]
Slug = Annotated[
    str, StringConstraints(min_length=1, max_length=120), AfterValidator(_validate_slug), _documented_pattern("slug"), NORMALISED
]
TagName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TAG_LENGTH),
    AfterValidator(_validate_tag),
    _documented_pattern("tag"),
    NORMALISED,
]
Tags = Annotated[list[TagName], Field(max_length=MAX_TAGS), AfterValidator(_deduplicate)]
Authors = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=50), _documented_pattern("line, not blank"), NORMALISED]],
    Field(min_length=1, max_length=20),
    AfterValidator(_require_distinct),
]
"""The usernames of authors. Not `Username`: those of imported authors have letters of any script."""
Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", min_length=3, max_length=50), NORMALISED]
# Primary keys are 64-bit integers in both databases.
Id = Annotated[int, Field(ge=1, le=9_223_372_036_854_775_807), BeforeValidator(integral)]
Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
