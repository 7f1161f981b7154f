"""Site preferences: settings that owners change on a page, without a restart."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from blog.schemas.appearance import AccentChoice, Appearance
from blog.schemas.fields import NORMALISED, Changes, Input, LanguageTag, Line
from blog.text import time_zones

_TARGET = re.compile(r"/(?:[^/\\].*)?|https?://[^/].*")


def _validate_target(value: str) -> str:
    if not _TARGET.fullmatch(value):
        raise PydanticCustomError("target", "Not a link. Use a path, e.g. /about, or a URL, e.g. https://example.org/")
    return value


def _validate_time_zone(value: str) -> str:
    if value not in time_zones.zone_names():
        raise PydanticCustomError("time_zone", "Not a time zone. Choose one from the list, e.g. Europe/Berlin")
    return value


ShortLine = Annotated[str, StringConstraints(max_length=100), NORMALISED]
Description = Annotated[str, StringConstraints(max_length=300), NORMALISED]
TimeZone = Annotated[str, AfterValidator(_validate_time_zone)]
Target = Annotated[Line, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_validate_target)]


class NavigationLink(Input):
    """A link in the header of every page: to a path of the blog, or to another site."""

    label: Annotated[ShortLine, Field(min_length=1)]
    target: Target


class SiteIdentity(AccentChoice):
    """The preferences that the setup page asks for, with their defaults."""

    title: ShortLine = Field(default="", description="The title of the blog; empty: PROJECT_NAME")
    description: Description = ""
    language: LanguageTag = Field(default="en", description="The language of posts that name none, as a BCP 47 tag")
    time_zone: TimeZone = Field(default=time_zones.UTC, description="The time zone of the blog, as an IANA name")


class Preferences(SiteIdentity, Appearance):
    """All preferences, with their defaults. A stored value that this version cannot read counts as its default."""

    navigation: Annotated[list[NavigationLink], Field(max_length=10)] = Field(default_factory=list)
    hold_first_comment: bool = Field(default=False, description="Hold the first comment of each person for moderation")
    guest_comments: bool = Field(
        default=False, description="Let people comment with name and e-mail address, without an account; always held"
    )
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
    previous_appearance: Appearance | None = Field(default=None, description="The appearance before its last change, for undo")

    def appearance(self) -> Appearance:
        """Return the preferences of the appearance alone."""
        return Appearance(**{name: getattr(self, name) for name in Appearance.model_fields})


class PreferencesChanges(Changes, Preferences):
    """The members to change."""
