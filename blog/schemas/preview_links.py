"""Schemas of preview links."""

import datetime as dt
from enum import StrEnum

from blog.schemas.fields import Input


class Lifetime(StrEnum):
    """Time until a preview link expires."""

    DAY = "1 day"
    WEEK = "7 days"
    MONTH = "30 days"

    @property
    def duration(self) -> dt.timedelta:
        """Return the lifetime as a `timedelta`."""
        return dt.timedelta(days=int(self.value.partition(" ")[0]))


class NewPreviewLink(Input):
    """The form to create a preview link."""

    lifetime: Lifetime
