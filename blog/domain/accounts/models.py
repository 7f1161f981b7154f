"""Models of accounts and of their sessions, tokens, passkeys and invitations."""

import datetime as dt
from dataclasses import dataclass

from blog.schemas.accounts import Role, Scope
from blog.schemas.invitations import EmailStatus, InvitationStatus


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
    suspended_at: dt.datetime | None
    pending_email: str | None = None  # not confirmed yet; set for the user's own account only


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
    """A browser that is signed in. `public_id` identifies the session to its user and cannot be used to sign in."""

    public_id: str
    user_agent: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """The state of two-factor authentication: when it was turned on, and how many recovery codes are left."""

    enabled_at: dt.datetime | None
    recovery_codes_left: int

    @property
    def is_enabled(self) -> bool:
        """Whether signing in needs a code."""
        return self.enabled_at is not None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey; `last_used_at` is None until it is used to sign in."""

    id: int
    name: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class UserListEntry:
    """An account in the list for owners. The counts are of published posts and visible comments.

    `last_seen_at` is exact to an hour, and None if the account was never used. `can_sign_in` is false without a password, as for
    imported authors.
    """

    id: int
    username: str
    name: str
    email: str | None
    role: Role
    created_at: dt.datetime
    last_seen_at: dt.datetime | None
    suspended_at: dt.datetime | None
    can_sign_in: bool
    post_count: int
    comment_count: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation; `accepted_by` is the username of the account created with it.

    email: of the invited person, until the invitation is used or revoked. email_status: None if no e-mail was to be sent.
    link_number: of the only valid link. inviter_can_invite: whether the inviter is still an active owner.
    """

    id: int
    role: Role
    note: str
    email: str | None
    email_status: EmailStatus | None
    link_number: int
    created_at: dt.datetime
    link_created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    inviter: str
    inviter_can_invite: bool
    accepted_by: str | None

    def status(self, now: dt.datetime) -> InvitationStatus:
        """Return the state at this time."""
        if self.used_at is not None:
            return InvitationStatus.USED
        if self.revoked_at is not None or not self.inviter_can_invite:
            return InvitationStatus.REVOKED
        return InvitationStatus.OPEN if self.expires_at > now else InvitationStatus.EXPIRED
