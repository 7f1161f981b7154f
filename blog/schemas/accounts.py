"""Users, signing in and bearer tokens on the wire."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, EmailStr, Field, SecretStr, StringConstraints

from blog.schemas.comments import CommentOut
from blog.schemas.fields import Bio, Changes, Id, Input, Line, Name, Output, Username, integral
from blog.schemas.posts import PostOut

MAX_TOKEN_LIFETIME_SECONDS = 3650 * 24 * 3600


class Role(StrEnum):
    """What a person may do; each role may do all that the ones before it may."""

    READER = "reader"
    AUTHOR = "author"
    EDITOR = "editor"
    OWNER = "owner"


class Scope(StrEnum):
    """What a bearer token may be used for."""

    POSTS_WRITE = "posts:write"
    COMMENTS_WRITE = "comments:write"
    MEDIA_WRITE = "media:write"
    ACCOUNT = "account"
    ADMIN = "admin"


class PostsOnDeletion(StrEnum):
    """What becomes of the posts of an account that ends."""

    KEEP = "stay"
    DELETE = "go"


Password = Annotated[SecretStr, Field(min_length=8, max_length=256)]
Age = Annotated[int, Field(ge=0, le=150), BeforeValidator(integral)]
Email = Annotated[EmailStr, StringConstraints(max_length=254)]


class NewUser(Input):
    """A new account. Without a password it cannot sign in until its owner sets one by a signed link."""

    username: Username
    email: Email
    age: Age | None = Field(default=None, description="Never shown to others")
    password: Password | None = None


class Registration(NewUser):
    """The same from the registration page, where a password is asked for."""

    password: Password


class AccountChanges(Changes):
    """What people change about themselves. An absent member stays as it is."""

    name: Name = ""
    email: Email = ""
    age: Age | None = None
    bio: Bio = Field(default="", description="A few words for the page of the author, in the Markdown of comments")
    current_password: SecretStr | None = Field(
        default=None, alias="current", max_length=256, description="The present password: a change of the e-mail address needs it"
    )


class NewPassword(Input):
    """A password, set by a signed link."""

    password: Password


class PasswordChange(NewPassword):
    """A change by somebody who is signed in and knows the present one."""

    current_password: SecretStr = Field(alias="current", max_length=256)


class EmailChange(Input):
    """Another e-mail address, by somebody who knows the password."""

    email: Email
    current_password: SecretStr = Field(alias="current", max_length=256)


class PasswordResetRequest(Input):
    """A link to a new password, for whoever has this name or address."""

    name: str = Field(min_length=1, max_length=320)


class PasswordConfirmation(Input):
    """The present password, for what follows."""

    current_password: SecretStr = Field(alias="current", max_length=256)


class OneTimeCode(Input):
    """A code of the app, or a recovery code."""

    code: SecretStr = Field(min_length=1, max_length=64)


class CodeAndPassword(OneTimeCode):
    """Both, for a change of the second factor itself."""

    current_password: SecretStr = Field(alias="current", max_length=256)


class PasskeyResponse(Input):
    """What a browser answered when it was asked for a passkey: JSON, as `PublicKeyCredential.toJSON` has it."""

    credential: str = Field(min_length=1, max_length=20_000)


class NewPasskey(PasskeyResponse):
    """A passkey that a browser made, and what its owner calls it."""

    name: Name


class AvatarForm(Input):
    """What goes with an avatar: nothing."""


class AccountDeletion(Input):
    """The end of an account, by somebody who knows the password and has typed the name of it."""

    username: str = Field(max_length=320)
    current_password: SecretStr = Field(alias="current", max_length=256)
    posts: PostsOnDeletion


class Credentials(Input):
    """A name and a password. The name is not checked for its form: a wrong one is simply unknown."""

    username: str = Field(min_length=1, max_length=320)
    password: SecretStr = Field(min_length=1, max_length=256)


class NewToken(Credentials):
    """A request for a bearer token; `expires_in` in seconds."""

    name: Annotated[Line, Field(min_length=1, max_length=100)] = "API"
    otp: SecretStr | None = Field(
        default=None, max_length=64, description="A code of the app, or a recovery code, if the account asks for one"
    )
    scopes: list[Scope] | None = Field(default=None, max_length=20)
    expires_in: Annotated[int, Field(ge=60, le=MAX_TOKEN_LIFETIME_SECONDS), BeforeValidator(integral)] | None = None


class TokenForm(Input):
    """A token that somebody makes on a page; it lasts for `days`."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=20)
    days: int = Field(ge=1, le=3650)


class RoleChange(Input):
    """Another role for somebody."""

    user: Id
    role: Role


class NewInvitation(Input):
    """A link for one new member; `note` says for whom, to the owners alone. It works for `days`."""

    role: Role
    note: Annotated[Line, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    days: int = Field(default=7, ge=1, le=90)


class UserOut(Output):
    """An account as everybody sees it."""

    id: int
    username: str
    name: str
    bio: str
    role: Role
    created_at: dt.datetime


class AccountOut(UserOut):
    """An account as its own user sees it."""

    email: str | None
    pending_email: str | None = Field(description="Waits for the letter to it to be answered: until then `email` stays")
    age: int | None
    updated_at: dt.datetime


class UserProfile(Output):
    """An account with its newest posts and comments; the three parts are fetched at the same time."""

    user: UserOut
    posts: list[PostOut]
    comments: list[CommentOut]
    processing_time_seconds: float


class TokenSummary(Output):
    """A token in a list: everything but its secret."""

    id: Id
    name: str
    scopes: list[Scope]
    created_at: dt.datetime
    expires_at: dt.datetime


class TokenOut(TokenSummary):
    """A new token; `token` is shown this once and kept nowhere."""

    token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (its kind)
