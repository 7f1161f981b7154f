"""Who asks, when, and on what: the one argument that every domain function takes first."""

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

_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who proved who they are: by a session (`session` is its hash) or by a token (`token_id`, `scopes`)."""

    id: int
    username: str
    name: str
    role: Role
    scopes: frozenset[Scope] | None = None  # None: a session, which may do all that the role may
    session: str | None = None
    token_id: int | None = None
    # When the password was last given in this session. It makes nobody somebody else: live connections compare actors.
    confirmed_at: dt.datetime | None = dataclasses.field(default=None, compare=False)

    def has_role(self, role: Role) -> bool:
        """Is the role at least this one?"""
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True, slots=True)
class Site:
    """What lives as long as the application: opened by its lifespan, by a command or by a test."""

    settings: Settings
    db: Database
    passwords: AsyncPasswordHasher
    signer: Signer
    storage: Storage
    runtime_settings: RuntimeSettings
    image_limiter: anyio.CapacityLimiter  # images take a core and much memory: few at a time
    view_counter: ViewCounter

    @property
    def title(self) -> str:
        """The title of the blog: as owners set it, else by the settings."""
        return self.runtime_settings.preferences.title or self.settings.project_name


@dataclass(frozen=True, slots=True)
class Context:
    """One request, command or job: site, actor (None: a stranger), instant (UTC) and correlation id.

    `address` and `user_agent` are those of the client, for the audit log; empty for commands and jobs.
    """

    site: Site
    actor: Actor | None
    now: dt.datetime
    correlation_id: str
    address: str = ""
    user_agent: str = ""

    @property
    def db(self) -> Database:
        """The database of the site."""
        return self.site.db

    def require_actor(self, scope: Scope | None = None) -> Actor:
        """The actor; with a scope, one whose token has it. Raises NotSignedIn or Forbidden."""
        if self.actor is None:
            raise NotAuthenticated()
        if scope is not None and self.actor.scopes is not None and scope not in self.actor.scopes:
            raise Forbidden(f"This token lacks the scope {scope.value}: make one that has it")
        return self.actor

    def acting_as(self, actor: Actor | None) -> "Context":
        """The same request, done by somebody else."""
        return dataclasses.replace(self, actor=actor)
