"""The password policy: no common passwords, and none made from the username, e-mail address or blog name."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from pydantic import SecretStr

from blog.domain.core.context import Context
from blog.errors import FieldError, InvalidInput

_COMMON_MESSAGE = "This password is too common. Try a short phrase."
_PERSONAL_MESSAGE = "Don't use your name, your e-mail address or the name of this blog as the password"


def validate_password(ctx: Context, password: SecretStr, username: str, email: str | None) -> None:
    """Raise InvalidInput (password) if the policy forbids the password."""
    if errors := find_errors(ctx, password, username, email):
        raise InvalidInput(errors)


def find_errors(ctx: Context, password: SecretStr, username: str, email: str | None) -> list[FieldError]:
    """Return the error of the password, if the policy forbids it. Case-insensitive; the schema checks the length."""
    folded = password.get_secret_value().casefold().strip()
    if folded in common_passwords():
        return [FieldError(("password",), _COMMON_MESSAGE, "common_password")]
    if folded in set(_personal_words(ctx, username, email or "")):
        return [FieldError(("password",), _PERSONAL_MESSAGE, "own_password")]
    return []


@cache
def common_passwords() -> frozenset[str]:
    """Return the case-folded list of common passwords; the file names its source."""
    text = files("blog.domain.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _personal_words(ctx: Context, username: str, email: str) -> Iterator[str]:
    words = (username, email, email.partition("@")[0], ctx.site.title, ctx.site.settings.project_name)
    for word in words:
        yield word.casefold()
        yield "".join(word.casefold().split())
