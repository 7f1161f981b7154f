"""What owners decide about the blog on a page, without a restart."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from blog.schemas.fields import Changes, Input, Line

_ACCENT = re.compile(r"#[0-9a-f]{6}")
_TARGET = re.compile(r"/(?:[^/\\].*)?|https?://[^/].*")


def _validate_accent(value: str) -> str:
    if not _ACCENT.fullmatch(value):
        raise PydanticCustomError("colour", "Write a colour as # and six digits of hexadecimal, such as #17614b")
    return value


def _validate_target(value: str) -> str:
    if not _TARGET.fullmatch(value):
        raise PydanticCustomError("target", "A link leads to a path, such as /about, or an address, such as https://example.org/")
    return value


ShortLine = Annotated[Line, StringConstraints(strip_whitespace=True, max_length=100)]
Accent = Annotated[str, AfterValidator(_validate_accent)]
Target = Annotated[Line, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_validate_target)]


class NavigationLink(Input):
    """A link in the head of every page: to a path of the blog, or to another site."""

    label: Annotated[ShortLine, Field(min_length=1)]
    target: Target


class Preferences(Input):
    """All of them, with their defaults. A member that the database has in another form than this version is as by default."""

    title: ShortLine = Field(default="", description="The title of the blog; empty: PROJECT_NAME")
    description: Annotated[Line, StringConstraints(strip_whitespace=True, max_length=300)] = ""
    accent: Accent | None = Field(default=None, description="The colour of links and buttons")
    navigation: Annotated[list[NavigationLink], Field(max_length=10)] = Field(default_factory=list)
    hold_first_comment: bool = Field(default=False, description="The first comment of each person waits for a moderator")
    held_words: Annotated[list[ShortLine], Field(max_length=500)] = Field(
        default_factory=list, description="A comment with one of them waits for a moderator"
    )
    most_links: Annotated[int, Field(ge=0, le=100)] = Field(default=3, description="A comment with more waits for a moderator")
    comment_edit_minutes: Annotated[int, Field(ge=0, le=525_600)] = Field(
        default=60, description="How long people may edit a comment of theirs"
    )


class PreferencesChanges(Changes, Preferences):
    """The members to change."""
