"""The context of a call: actor, time and site. The first argument of every domain function."""

import dataclasses
import datetime as dt
from dataclasses import dataclass

import anyio

from blog.db.database import Database
from blog.domain.core.password_hashing import AsyncPasswordHasher
from blog.domain.core.runtime_settings import RuntimeSettings
from blog.domain.core.signing import Signer
from blog.domain.core.storage import Storage
from blog.domain.core.view_counter import ViewCounter
from blog.errors import Forbidden, NotAuthenticated
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from blog.text.formats import Formats, formats

_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated account, by a session (`session` is the hash of its id) or an API token (`token_id`, `scopes`)."""

    id: int
    username: str
    name: str
    role: Role
    scopes: frozenset[Scope] | None = None  # None: a session, which has every permission of the role
    session: str | None = None
    token_id: int | None = None
    # When the password was last entered in this session. Not compared: live connections compare actors to notice changes.
    confirmed_at: dt.datetime | None = dataclasses.field(default=None, compare=False)

    def has_role(self, role: Role) -> bool:
        """Return whether the role is at least `role`."""
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True, slots=True)
class Site:
    """Resources that live as long as the application: opened by its lifespan, by a command or by a test."""

    settings: Settings
    db: Database
    passwords: AsyncPasswordHasher
    signer: Signer
    storage: Storage
    runtime_settings: RuntimeSettings
    image_limiter: anyio.CapacityLimiter  # decoding takes a core and up to 1.3 GB of memory
    view_counter: ViewCounter

    @property
    def title(self) -> str:
        """Return the title of the blog: the owner's preference, or `PROJECT_NAME`."""
        return self.runtime_settings.preferences.title or self.settings.project_name

    @property
    def formats(self) -> Formats:
        """Return the formats of dates, times and numbers on the pages of the blog, and its time zone."""
        preferences = self.runtime_settings.preferences
        return formats(preferences.language, preferences.time_zone)


@dataclass(frozen=True, slots=True)
class Context:
    """One request, command or background task.

    `actor` is None for anonymous requests; `now` is in UTC; `address` and `user_agent` describe the client for the audit log
    and are empty for commands and background tasks.
    """

    site: Site
    actor: Actor | None
    now: dt.datetime
    correlation_id: str
    address: str = ""
    user_agent: str = ""

    @property
    def db(self) -> Database:
        """Return the database of the site."""
        return self.site.db

    @property
    def today(self) -> dt.date:
        """Return the current day in the time zone of the blog."""
        return self.site.formats.date(self.now)

    def require_actor(self, scope: Scope | None = None) -> Actor:
        """Return the actor. Raises NotAuthenticated if there is none, Forbidden if its token lacks `scope`."""
        if self.actor is None:
            raise NotAuthenticated()
        if scope is not None and self.actor.scopes is not None and scope not in self.actor.scopes:
            raise Forbidden(f"This token lacks the scope {scope.value}. Create a token that has it.")
        return self.actor

    def acting_as(self, actor: Actor | None) -> "Context":
        """Return a copy with another actor."""
        return dataclasses.replace(self, actor=actor)
