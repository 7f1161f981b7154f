"""Domain errors: titles and messages without HTTP statuses.

Domain functions raise them. `blog/framework/response/error_statuses.py` maps each class to a status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


class BlogError(Exception):
    """Base class of the errors that a client may see. `detail` never contains a secret or a rejected value."""

    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error at one place of the input, in Pydantic's form.

    loc: path to the place. msg: sentence for users of the API. type: code for programs.
    context: Pydantic's values behind the message, such as `max_length`; None for our own errors. Not sent to clients.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str
    context: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)


class MalformedInput(BlogError):
    """The input cannot be parsed: invalid JSON, invalid UTF-8 or a broken form."""

    title = "Malformed request"


class InvalidInput(BlogError):
    """The input can be parsed but is not acceptable. `errors` lists every place."""

    title = "Invalid input"

    def __init__(self, errors: Sequence[FieldError], detail: str = "") -> None:
        super().__init__(detail or "; ".join(error.msg for error in errors))
        self.errors = tuple(errors)


class NotAuthenticated(BlogError):
    """The request has no credentials, or they are wrong, expired or revoked."""

    title = "Sign-in required"


class SecondFactorRequired(NotAuthenticated):
    """The password is correct but the account needs a code: none was sent (`otp_required`), or a wrong one (`otp_wrong`)."""

    title = "Two-factor code required"

    def __init__(self, detail: str, reason: str) -> None:
        super().__init__(detail)
        self.errors = (FieldError(("otp",), detail, reason),)


class Forbidden(BlogError):
    """The actor is known and does not have the permission."""

    title = "Not allowed"


class AccountSuspended(Forbidden):
    """The credentials are correct, and an owner has suspended the account."""

    title = "Account suspended"

    def __init__(self) -> None:
        super().__init__("This account is suspended. Ask an owner of the blog to lift the suspension.")


class ReauthenticationRequired(Forbidden):
    """The actor has the permission but must enter the password again first."""

    title = "Confirm your password"


class NotFound(BlogError):
    """The object does not exist, or the actor may not know that it exists."""

    title = "Not found"


class InvalidLink(NotFound):
    """A signed link is expired, used, revoked or forged. `detail` names the way to get a new one."""

    title = "This link doesn't work any more"


class Conflict(BlogError):
    """The name is in use, or the current state does not allow the change. `errors` lists the fields, if there are any.

    `loc`, the path of a field, with `detail` is short for one error.
    """

    title = "Conflict"

    def __init__(self, detail: str = "", *, loc: tuple[str | int, ...] = (), errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail or "; ".join(error.msg for error in errors))
        self.errors = tuple(errors) or ((FieldError(loc, self.detail, "conflict"),) if loc else ())


class VersionConflict(BlogError):
    """The object has changed since the client read it."""

    title = "Version conflict"


class PayloadTooLarge(BlogError):
    """The input exceeds its size limit."""

    title = "Too large"


class UnsupportedMedia(BlogError):
    """The media type of the input is not supported here."""

    title = "Unsupported media type"


class Unavailable(BlogError):
    """A dependency, such as the database, is temporarily unavailable. Clients may retry after `retry_after` seconds."""

    title = "Temporarily unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class UpstreamFailed(BlogError):
    """Another server that the request depends on cannot be reached, or its response cannot be used."""

    title = "Another site could not be read"


class UpstreamTimeout(UpstreamFailed):
    """Another server did not respond in time."""

    title = "Another site did not respond in time"


class TooManyRequests(BlogError):
    """The client has exceeded a rate limit. It may retry after `retry_after` seconds."""

    title = "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int) -> None:
        super().__init__(detail or f"Too many requests. Try again in {retry_after} seconds.")
        self.retry_after = retry_after
