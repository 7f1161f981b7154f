"""Preview links on the wire."""

import datetime as dt
from enum import StrEnum

from blog.schemas.fields import Input


class Lifetime(StrEnum):
    """How long a preview link opens its draft."""

    DAY = "1 day"
    WEEK = "7 days"
    MONTH = "30 days"

    @property
    def duration(self) -> dt.timedelta:
        """The same as a length of time."""
        return dt.timedelta(days=int(self.value.partition(" ")[0]))


class NewPreviewLink(Input):
    """A preview link, as the form asks for it."""

    lifetime: Lifetime
