"""The one list of the fields of a post that are versioned.

Tables, revisions, comparisons, merges, forms, the API, import and export walk the fields of `PostContent`. To add a field: add
it here, add a column to `posts` and `revisions`, a line to the schemas of `blog.schemas.posts`, and a form control.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Annotated, Any, get_type_hints

from blog.domain.core.models import Author
from blog.domain.posts.feature_image import FeatureImage
from blog.schemas.fields import MAX_EXCERPT_LENGTH, MAX_META_DESCRIPTION_LENGTH, MAX_META_TITLE_LENGTH
from blog.schemas.posts import PostStatus
from blog.text.formats import Formats


class FieldKind(Enum):
    """How two values of a field are compared and shown."""

    TEXT = auto()
    """Many lines: compared line by line and word by word, and merged line by line."""
    LINE = auto()
    """One line: compared word by word."""
    VALUE = auto()
    """Compared as a whole; a tuple item by item."""


@dataclass(frozen=True, slots=True)
class PostField:
    """The description of one field of `PostContent`.

    noun: the name of the field in sentences and, with a capital, as a label.
    is_restored: whether restoring an old version brings back the value.
    depends_on: the field that this one is merged with, because one has no meaning without the other.
    front_matter: keys of the field in Markdown files, if the file has the value itself. The first one is written. A dot leads
        into a table.
    max_length: the length to which an import cuts a text, in characters.
    words: the words for False and True.
    name, is_bool: from the declaration of the field.
    """

    noun: str
    kind: FieldKind = FieldKind.VALUE
    is_restored: bool = True
    depends_on: str | None = None
    front_matter: tuple[str, ...] = ()
    max_length: int = 0
    words: tuple[str, str] = ("no", "yes")
    name: str = ""
    is_bool: bool = False

    @property
    def label(self) -> str:
        """The noun with a capital."""
        return self.noun[0].upper() + self.noun[1:]


@dataclass(frozen=True, slots=True)
class PostContent:
    """The content of a version of a post."""

    title: Annotated[str, PostField("title", FieldKind.LINE)]
    content: Annotated[str, PostField("body", FieldKind.TEXT)]
    tags: Annotated[tuple[str, ...], PostField("tags")]
    authors: Annotated[tuple[Author, ...], PostField("authors")]
    slug: Annotated[str, PostField("URL slug", is_restored=False)]
    status: Annotated[PostStatus, PostField("status", is_restored=False)]
    publish_at: Annotated[dt.datetime | None, PostField("publication time", is_restored=False, depends_on="status")]
    published_at: Annotated[dt.datetime | None, PostField("publication date", is_restored=False, depends_on="status")]
    comments_open: Annotated[bool, PostField("comment setting", front_matter=("comments",), words=("closed", "open"))]
    custom_excerpt: Annotated[
        str | None,
        PostField("excerpt", FieldKind.LINE, front_matter=("excerpt", "summary", "description"), max_length=MAX_EXCERPT_LENGTH),
    ]
    meta_title: Annotated[
        str | None,
        PostField(
            "search title",
            FieldKind.LINE,
            front_matter=("meta_title", "seo_title", "metatitle", "seotitle", "seo.title"),
            max_length=MAX_META_TITLE_LENGTH,
        ),
    ]
    meta_description: Annotated[
        str | None,
        PostField(
            "search description",
            FieldKind.LINE,
            front_matter=(
                "meta_description",
                "seo_description",
                "metadescription",
                "seodescription",
                "seo.description",
                "description",
            ),
            max_length=MAX_META_DESCRIPTION_LENGTH,
        ),
    ]
    canonical_url: Annotated[
        str | None, PostField("canonical URL", front_matter=("canonical_url", "canonicalurl", "canonical", "seo.canonical"))
    ]
    language: Annotated[str | None, PostField("language", front_matter=("lang", "language", "locale"))]
    featured: Annotated[
        bool, PostField("featured setting", is_restored=False, front_matter=("featured", "sticky", "pinned", "pin"))
    ]
    feature_image: Annotated[FeatureImage | None, PostField("feature image")]


POST_FIELDS: Sequence[PostField] = tuple(
    dataclasses.replace(hint.__metadata__[0], name=name, is_bool=hint.__origin__ is bool)
    for name, hint in get_type_hints(PostContent, include_extras=True).items()
)
"""The descriptions of the fields of `PostContent`, in order."""


def content_of(version: PostContent) -> PostContent:
    """Return the content of a post or a revision alone, so that versions can be compared."""
    return PostContent(**{field.name: getattr(version, field.name) for field in POST_FIELDS})


def with_changes(content: PostContent, changes: Mapping[str, Any]) -> PostContent:
    """Return the content with some fields replaced. A publication time is dropped unless the post is scheduled."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    changed = dataclasses.replace(content_of(content), **values)
    return changed if changed.status is PostStatus.SCHEDULED else dataclasses.replace(changed, publish_at=None)


def column_values(content: PostContent, names: Iterable[str]) -> dict[str, Any]:
    """Return the values of the columns that have the names of these fields."""
    return {name: _column_value(getattr(content, name)) for name in names}


def _column_value(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, FeatureImage):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value


def changed_fields(older: PostContent, newer: PostContent) -> Iterator[PostField]:
    """Yield the fields in which two versions differ."""
    return (field for field in POST_FIELDS if getattr(older, field.name) != getattr(newer, field.name))


def display_items(field: PostField, content: PostContent, formats: Formats) -> list[str]:
    """Return a value as text: an item for each item of a tuple, no item for an absent value."""
    value = getattr(content, field.name)
    if isinstance(value, tuple):
        return [item.name if isinstance(item, Author) else item for item in value]
    if isinstance(value, FeatureImage):
        return value.describe()
    if isinstance(value, bool):
        return [field.words[value]]
    if isinstance(value, dt.datetime):
        return [formats.moment(value)]
    return [] if value in (None, "") else [str(value)]
