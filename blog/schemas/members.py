"""Schemas of the accounts that owners administer: the list, suspension, deletion, password links and new authors of posts."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from blog.schemas.accounts import Role
from blog.schemas.fields import NORMALISED, Changes, Input, Line, Output


class MemberStatus(StrEnum):
    """A state of accounts to list: usable, suspended, or an imported author without an e-mail address."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    IMPORTED = "imported"


class MemberSort(StrEnum):
    """The orders of the list of accounts; a minus sign means descending."""

    NEWEST = "-created_at"
    USERNAME = "username"
    LAST_SEEN = "-last_seen_at"
    POSTS = "-post_count"
    COMMENTS = "-comment_count"


class CommentsOnSuspension(StrEnum):
    """The choice for the comments of a suspended account."""

    KEEP = "keep"
    HOLD = "hold"


class PostsOfMember(StrEnum):
    """The choice for the posts of an account that an owner deletes."""

    KEEP = "keep"
    TRANSFER = "transfer"
    DELETE = "delete"


class CommentsOfMember(StrEnum):
    """The choice for the comments of an account that an owner deletes."""

    KEEP = "keep"
    REMOVE = "remove"


class UserQuery(Input):
    """Query of the list of accounts; `username` alone finds one public profile."""

    username: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = None
    q: Annotated[Line, Field(min_length=1, max_length=200), NORMALISED] | None = Field(
        default=None, description="Part of the username, the name or the e-mail address"
    )
    role: Role | None = None
    status: MemberStatus | None = None
    sort: MemberSort = MemberSort.NEWEST
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class UserChanges(Changes):
    """Changes that owners make to an account."""

    role: Role = Role.READER


class Suspension(Input):
    """The suspension of an account, and the choice for its comments."""

    comments: CommentsOnSuspension = Field(
        default=CommentsOnSuspension.KEEP, description="`hold`: visible comments are held for moderation until it is lifted"
    )


class MemberDeletion(Input):
    """The deletion of an account by an owner, and the choice of what stays."""

    posts: PostsOfMember = Field(
        default=PostsOfMember.KEEP,
        description="`keep`: published posts stay under the name Deleted account; `transfer`: all posts go to `transfer_to`",
    )
    transfer_to: Annotated[Line, Field(max_length=50), NORMALISED] | None = Field(
        default=None, description="The username of the new author, for `transfer`"
    )
    comments: CommentsOfMember = Field(
        default=CommentsOfMember.KEEP,
        description="`keep`: comments stay under the name Deleted account; `remove`: their texts are erased",
    )


class PostTransfer(Input):
    """A new author for all posts of an account."""

    transfer_to: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED]


class PasswordLinkRequest(Input):
    """A password reset link for an account: returned, or sent by e-mail."""

    send: bool = Field(default=False, description="Send the link to the e-mail address of the account instead of returning it")


class MemberOut(Output):
    """An account, as shown to owners."""

    id: int
    username: str
    name: str
    email: str | None = Field(description="null for imported authors")
    role: Role
    created_at: dt.datetime
    last_seen_at: dt.datetime | None = Field(description="The time of the last use, exact to an hour; null if it was never used")
    suspended_at: dt.datetime | None
    can_sign_in: bool = Field(description="false without a password, as for imported authors")
    post_count: int = Field(description="Published posts")
    comment_count: int = Field(description="Visible comments")


class PasswordLinkOut(Output):
    """A link that sets the password of an account once."""

    url: str | None = Field(description="null if the link was sent by e-mail")
    expires_at: dt.datetime


class PostTransferOut(Output):
    """The number of posts that have a new author."""

    posts: int
