"""Schemas of feature flags."""

import datetime as dt
from enum import StrEnum

from blog.schemas.fields import Input, Output


class Flag(StrEnum):
    """Features that owners can switch on and off while the blog runs."""

    REGISTRATION = "registration"
    COMMENTS = "comments"
    LIVE = "live"
    UPLOADS = "uploads"


class FlagChange(Input):
    """The new state of a flag."""

    enabled: bool


class FlagOut(Output):
    """A flag: its state, its default from the settings, and the time of the last change by an owner (null: never changed)."""

    name: Flag
    enabled: bool
    default: bool
    updated_at: dt.datetime | None
