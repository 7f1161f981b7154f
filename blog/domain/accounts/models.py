"""Accounts, and the sessions, tokens, passkeys and invitations that belong to them, as queries return them."""

import datetime as dt
from dataclasses import dataclass

from blog.schemas.accounts import Role, Scope


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    id: int
    username: str
    name: str
    email: str | None
    age: int | None
    role: Role
    created_at: dt.datetime
    updated_at: dt.datetime
    can_sign_in: bool
    bio: str  # in the Markdown of comments
    avatar: str | None  # the name of an image file
    is_deleted: bool
    pending_email: str | None = None  # for its own user: waits for the letter to it to be answered


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token without its secret."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in. `key` tells one's sessions apart and opens none."""

    public_id: str
    user_agent: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """Whether an account asks for codes, since when, and how many recovery codes are left."""

    enabled_at: dt.datetime | None
    recovery_codes_left: int

    @property
    def is_enabled(self) -> bool:
        """Does signing in need a code?"""
        return self.enabled_at is not None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key on a device; `last_used_at` is None until it opened the account once."""

    id: int
    name: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class UserListEntry:
    """An account as owners see it in a list; `posts` are those published."""

    id: int
    username: str
    name: str
    email: str | None
    role: Role
    created_at: dt.datetime
    post_count: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link by which one person becomes a member; `user` is who came by it."""

    id: int
    role: Role
    note: str
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    inviter: str
    accepted_by: str | None
