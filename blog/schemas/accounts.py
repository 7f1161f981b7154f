"""Schemas of accounts: users, credentials and bearer tokens."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints

from blog.schemas.comments import CommentOut
from blog.schemas.fields import Bio, Changes, Id, Input, Name, Output, Username, integral
from blog.schemas.posts import PostOut
from blog.schemas.site_preferences import SiteIdentity
from blog.text.email_address import EmailAddress

MAX_TOKEN_LIFETIME_SECONDS = 3650 * 24 * 3600


class Role(StrEnum):
    """The role of a user. Each role includes the permissions of the roles before it."""

    READER = "reader"
    AUTHOR = "author"
    EDITOR = "editor"
    OWNER = "owner"


class Scope(StrEnum):
    """A permission of a bearer token."""

    POSTS_WRITE = "posts:write"
    COMMENTS_WRITE = "comments:write"
    MEDIA_WRITE = "media:write"
    ACCOUNT = "account"
    ADMIN = "admin"


class PostsOnDeletion(StrEnum):
    """The choice for the published posts of a deleted account."""

    KEEP = "keep"
    DELETE = "delete"


Password = Annotated[SecretStr, Field(min_length=8, max_length=256)]
Age = Annotated[int, Field(ge=0, le=150), BeforeValidator(integral)]
Email = Annotated[EmailAddress, StringConstraints(max_length=254)]


class NewUser(Input):
    """A new account. Without a password, the user cannot sign in until a signed link has been used to set one."""

    username: Username
    email: Email
    age: Age | None = Field(default=None, description="Never shown to others")
    password: Password | None = None


class Registration(NewUser):
    """A new account from the registration page, where a password is required."""

    password: Password


class Setup(Registration, SiteIdentity):
    """The first page of a new blog: the owner's account, and what the site is called and looks like."""


class AccountChanges(Changes):
    """Changes to the account. Absent members are left unchanged."""

    name: Name = ""
    email: Email = ""
    age: Age | None = None
    bio: Bio = Field(default="", description="A short text for the author page, in the Markdown of comments")
    current_password: SecretStr | None = Field(
        default=None, alias="current", max_length=256, description="The current password. Required to change the e-mail address."
    )


class NewPassword(Input):
    """A password that is set with a signed link."""

    password: Password


class PasswordChange(NewPassword):
    """A new password, with the current one."""

    current_password: SecretStr = Field(alias="current", max_length=256)


class EmailChange(Input):
    """A new e-mail address, with the current password."""

    email: Email
    current_password: SecretStr = Field(alias="current", max_length=256)


class PasswordResetRequest(Input):
    """A request for a password reset link; `name` is a username or an e-mail address."""

    name: str = Field(min_length=1, max_length=320)


class PasswordConfirmation(Input):
    """The current password, which allows sensitive changes for some minutes."""

    current_password: SecretStr = Field(alias="current", max_length=256)


class OneTimeCode(Input):
    """A code from the authenticator app, or a recovery code."""

    code: SecretStr = Field(min_length=1, max_length=64)


class CodeAndPassword(OneTimeCode):
    """A code and the current password, for changes to two-factor authentication."""

    current_password: SecretStr = Field(alias="current", max_length=256)


class PasskeyResponse(Input):
    """A credential from the browser: the JSON of `PublicKeyCredential.toJSON()`."""

    credential: str = Field(min_length=1, max_length=20_000)


class NewPasskey(PasskeyResponse):
    """A new passkey from the browser, and the name that the user gives it."""

    name: Name


class EmptyForm(Input):
    """A form without fields, such as a confirmation."""


class AccountDeletion(Input):
    """The confirmation of an account deletion: the username, typed again, and the password."""

    username: str = Field(max_length=320)
    current_password: SecretStr = Field(alias="current", max_length=256)
    posts: PostsOnDeletion


class Credentials(Input):
    """A username or e-mail address, and a password. The format of the name is not checked: an invalid name is unknown."""

    username: str = Field(min_length=1, max_length=320)
    password: SecretStr = Field(min_length=1, max_length=256)


class NewToken(Credentials):
    """A request for a bearer token; `expires_in` is in seconds."""

    name: Name = "API"
    otp: SecretStr | None = Field(
        default=None,
        max_length=64,
        description="A code from the authenticator app or a recovery code, if two-factor authentication is on",
    )
    scopes: list[Scope] | None = Field(default=None, max_length=20)
    expires_in: Annotated[int, Field(ge=60, le=MAX_TOKEN_LIFETIME_SECONDS), BeforeValidator(integral)] | None = None


class TokenForm(Input):
    """A new token from the account page, valid for `days`."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=20)
    days: int = Field(ge=1, le=3650)


class RoleChange(Input):
    """A new role for a user."""

    user: Id
    role: Role


class UserOut(Output):
    """The public part of an account."""

    id: int
    username: str
    name: str
    bio: str
    created_at: dt.datetime


class UserWithRoleOut(UserOut):
    """An account, as shown to its user and to editors."""

    role: Role


class AccountOut(UserWithRoleOut):
    """An account, as shown to its user."""

    email: str | None
    pending_email: str | None = Field(description="A new address that is not confirmed yet; `email` stays valid until then")
    age: int | None
    updated_at: dt.datetime


class UserProfile(Output):
    """An account with its latest posts and comments; the three parts are fetched concurrently."""

    user: UserWithRoleOut | UserOut
    posts: list[PostOut]
    comments: list[CommentOut]
    processing_time_seconds: float


class TokenSummary(Output):
    """A token in a list, without its secret."""

    id: Id
    name: str
    scopes: list[Scope]
    created_at: dt.datetime
    expires_at: dt.datetime


class TokenOut(TokenSummary):
    """A new token. The response is the only one with `token`: the server stores a hash."""

    token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (not a secret)
