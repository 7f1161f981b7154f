"""What can go wrong, in the language of the blog: codes and plain words, no HTTP numbers.

Domain functions raise these; each door maps them to its own answers in one table (`blog/framework/response/error_statuses.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class BlogError(Exception):
    """Base of every error that a client may be told about.

    `detail` is a sentence for people; it never holds a secret or a rejected value.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in one place of the input, in Pydantic's own form: `loc` path, `msg` sentence, `type` code."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class MalformedInput(BlogError):
    """The bytes are not even well-formed: bad JSON, bad UTF-8, a broken form."""

    code, title = "malformed", "Malformed request"


class InvalidInput(BlogError):
    """Well-formed, but not acceptable; `errors` names every place."""

    code, title = "invalid", "Invalid input"

    def __init__(self, errors: Sequence[FieldError], detail: str = "") -> None:
        super().__init__(detail or "; ".join(error.msg for error in errors))
        self.errors = tuple(errors)


class NotAuthenticated(BlogError):
    """Nobody is signed in, or the credentials are wrong, expired or revoked."""

    code, title = "not_signed_in", "Sign in first"


class SecondFactorRequired(NotAuthenticated):
    """The password is right, and the account asks for a code: none came (`otp_required`), or not the right one (`otp_wrong`)."""

    code, title = "second_factor_needed", "A code is needed"

    def __init__(self, detail: str, reason: str) -> None:
        super().__init__(detail)
        self.errors = (FieldError(("otp",), detail, reason),)


class Forbidden(BlogError):
    """The actor is known and may not do this."""

    code, title = "forbidden", "Not allowed"


class ReauthenticationRequired(Forbidden):
    """The actor may do this after giving the password once more."""

    code, title = "confirmation_needed", "Your password is needed"


class NotFound(BlogError):
    """There is no such thing, or the actor may not know of it."""

    code, title = "not_found", "Not found"


class Conflict(BlogError):
    """The name is taken or the state does not allow it; `loc` names the field, if one is to blame."""

    code, title = "conflict", "Conflict"

    def __init__(self, detail: str = "", *, loc: tuple[str | int, ...] = ()) -> None:
        super().__init__(detail)
        self.loc = loc


class VersionConflict(BlogError):
    """The thing changed since the client read it."""

    code, title = "stale", "Changed meanwhile"


class PayloadTooLarge(BlogError):
    """The input is larger than its limit."""

    code, title = "too_large", "Too large"


class UnsupportedMedia(BlogError):
    """The input is of a type that is not taken here."""

    code, title = "unsupported_media", "Unsupported media type"


class Unavailable(BlogError):
    """A part that we need is gone for the moment; the client may try again in `retry_after` seconds."""

    code, title = "unavailable", "Unavailable for the moment"

    def __init__(self, detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooManyRequests(BlogError):
    """The client asked more often than it may; it may try again in `retry_after` seconds."""

    code, title = "too_many_requests", "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int) -> None:
        super().__init__(detail or f"Too many requests: try again in {retry_after} seconds")
        self.retry_after = retry_after
