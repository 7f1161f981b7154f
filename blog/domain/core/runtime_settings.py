"""Feature flags and preferences that owners change while the blog runs, cached in this process."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import anyio
import sqlalchemy as sa
import structlog
from pydantic import ValidationError

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.errors import Unavailable
from blog.observability.logging import OutageLog
from blog.schemas.feature_flags import Flag
from blog.schemas.site_preferences import NavigationLink, Preferences
from blog.schemas.static_pages import PageStatus
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog.runtime_settings")
REFRESH_SECONDS = 0.5
"""Interval of the refresh, so that each worker follows changes of the others within a second."""

_f, _p, _g = tables.feature_flags.c, tables.site_preferences.c, tables.static_pages.c
_AFTER_PATH = re.compile(r"[?#].*", re.DOTALL)
_FLAGS = PreparedQuery(sa.select(_f.name, _f.enabled))
_PREFERENCES = PreparedQuery(sa.select(_p.name, _p.value))
_DRAFT_SLUGS = PreparedQuery(sa.select(_g.slug).where(_g.status == PageStatus.DRAFT.value))


class RuntimeSettings:
    """Feature flags and preferences: the values that owners have set, and defaults for the rest."""

    def __init__(self, settings: Settings) -> None:
        self.defaults: Mapping[Flag, bool] = {
            Flag.REGISTRATION: settings.registration,
            Flag.COMMENTS: settings.comments,
            Flag.LIVE: settings.live,
            Flag.UPLOADS: settings.uploads,
        }
        self.preferences = Preferences()
        self.navigation: Sequence[NavigationLink] = ()
        """The links of the header, without those to static pages that are drafts."""
        self._stored: dict[str, Any] = {}
        self._public_url = settings.public_url
        self._flags = dict(self.defaults)
        self._refresh_lock = anyio.Lock()
        self.on_change: list[Callable[[], None]] = []

    def is_enabled(self, flag: Flag) -> bool:
        """Return whether the feature is enabled."""
        return self._flags[flag]

    async def refresh(self, db: Database) -> None:
        """Load flags and preferences. Raises Unavailable and keeps the last known values."""
        async with self._refresh_lock:  # a concurrent read of an older state must not win
            flags, values, drafts = await db.fetch_many_consistent(_FLAGS(), _PREFERENCES(), _DRAFT_SLUGS())
            before = self._flags, self.preferences, self.navigation
            # A newer version of the blog may know flags and preferences that this one does not.
            self._flags = {**self.defaults, **{Flag(row["name"]): row["enabled"] for row in flags if row["name"] in set(Flag)}}
            stored = {row["name"]: row["value"] for row in values if row["name"] in Preferences.model_fields}
            if stored != self._stored:  # validating custom CSS takes up to 6 ms
                self.preferences, self._stored = _valid_preferences(stored), stored
            hidden = {f"/{row['slug']}" for row in drafts}
            self.navigation = [link for link in self.preferences.navigation if self._target_path(link) not in hidden]
            if (self._flags, self.preferences, self.navigation) != before:
                for callback in self.on_change:
                    callback()

    def links_to(self, path: str) -> Sequence[NavigationLink]:
        """Return the links of the header that lead to a path, shown or not."""
        return [link for link in self.preferences.navigation if self._target_path(link) == path]

    def _target_path(self, link: NavigationLink) -> str:
        return unquote(_AFTER_PATH.sub("", link.target.removeprefix(self._public_url))).rstrip("/")

    async def refresh_periodically(self, db: Database) -> None:
        """Refresh until cancelled."""
        outage = OutageLog(
            log,
            "flags and preferences cannot be refreshed; the last known values are used",
            "flags and preferences are refreshed again",
        )
        while True:
            await anyio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh(db)
                outage.recovered()
            except Unavailable as error:
                outage.failed(error.detail)


async def unreadable_preferences(db: Database) -> list[str]:
    """Return the names of stored preferences that this version cannot read, and for which the defaults apply."""
    rows = await db.fetch_all(_PREFERENCES())
    return _invalid_names({row["name"]: row["value"] for row in rows if row["name"] in Preferences.model_fields})


def _valid_preferences(values: dict[str, Any]) -> Preferences:
    if invalid := _invalid_names(values):
        log.warning("stored preferences that this version cannot read are ignored", names=invalid)
    return Preferences.model_validate({name: value for name, value in values.items() if name not in invalid})


def _invalid_names(values: dict[str, Any]) -> list[str]:
    try:
        Preferences.model_validate(values)
    except ValidationError as error:
        return sorted({str(fault["loc"][0]) for fault in error.errors()})
    return []
