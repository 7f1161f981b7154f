"""Feature flags on the wire."""

import datetime as dt
from enum import StrEnum

from blog.schemas.fields import Input, Output


class Flag(StrEnum):
    """What an owner can switch on and off while the blog runs."""

    REGISTRATION = "registration"
    COMMENTS = "comments"
    LIVE = "live"
    UPLOADS = "uploads"


class FlagChange(Input):
    """The new state of a flag."""

    enabled: bool


class FlagOut(Output):
    """A flag: its state, its default in the settings, and when an owner last set it."""

    name: Flag
    enabled: bool
    default: bool
    updated_at: dt.datetime | None
