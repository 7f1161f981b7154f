"""Site preferences: settings that owners change on a page, without a restart."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from blog.schemas.fields import NORMALISED, Changes, Input, Line

_ACCENT = re.compile(r"#[0-9a-f]{6}")
_TARGET = re.compile(r"/(?:[^/\\].*)?|https?://[^/].*")


def _validate_accent(value: str) -> str:
    if not _ACCENT.fullmatch(value):
        raise PydanticCustomError("colour", "Not a hex colour. Use # and six hexadecimal digits, e.g. #17614b")
    return value


def _validate_target(value: str) -> str:
    if not _TARGET.fullmatch(value):
        raise PydanticCustomError("target", "Not a link. Use a path, e.g. /about, or a URL, e.g. https://example.org/")
    return value


ShortLine = Annotated[Line, StringConstraints(max_length=100), NORMALISED]
Accent = Annotated[str, AfterValidator(_validate_accent)]
Target = Annotated[Line, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_validate_target)]


class NavigationLink(Input):
    """A link in the header of every page: to a path of the blog, or to another site."""

    label: Annotated[ShortLine, Field(min_length=1)]
    target: Target


class Preferences(Input):
    """The preferences, with their defaults. A stored value that this version cannot read counts as its default."""

    title: ShortLine = Field(default="", description="The title of the blog; empty: PROJECT_NAME")
    description: Annotated[Line, StringConstraints(max_length=300), NORMALISED] = ""
    accent: Accent | None = Field(default=None, description="The colour of links and buttons")
    navigation: Annotated[list[NavigationLink], Field(max_length=10)] = Field(default_factory=list)
    hold_first_comment: bool = Field(default=False, description="Hold the first comment of each person for moderation")
    blocked_words: Annotated[list[ShortLine], Field(max_length=500)] = Field(
        default_factory=list, description="Hold comments that contain any of these words"
    )
    max_links: Annotated[int, Field(ge=0, le=100)] = Field(default=3, description="Hold comments with more links than this")
    close_comments_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        default=0, description="Close the comments of a post this many days after its publication; 0: never"
    )
    comment_edit_minutes: Annotated[int, Field(ge=0, le=525_600)] = Field(
        default=60, description="Minutes a comment stays editable by its author"
    )


class PreferencesChanges(Changes, Preferences):
    """The members to change."""
