"""Which passwords are taken: none that many people use, and none that says who its owner is."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from pydantic import SecretStr

from blog.domain.core.context import Context
from blog.errors import FieldError, InvalidInput

_COMMON_MESSAGE = "This is one of the passwords that are guessed first: choose another one, such as a few words"
_PERSONAL_MESSAGE = "This is your name, your e-mail address or the name of this blog: choose another password"


def validate_password(ctx: Context, password: SecretStr, username: str, email: str | None) -> None:
    """Raises InvalidInput (password). Length is the schema's affair; case does not matter here."""
    wanted = password.get_secret_value().casefold().strip()
    if wanted in common_passwords():
        raise _password_error(_COMMON_MESSAGE, "common_password")
    if wanted in set(_personal_words(ctx, username, email or "")):
        raise _password_error(_PERSONAL_MESSAGE, "own_password")


@cache
def common_passwords() -> frozenset[str]:
    """The list, case-folded; the file says where it comes from."""
    text = files("blog.domain.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _personal_words(ctx: Context, username: str, email: str) -> Iterator[str]:
    words = (username, email, email.partition("@")[0], ctx.site.title, ctx.site.settings.project_name)
    for word in words:
        yield word.casefold()
        yield "".join(word.casefold().split())


def _password_error(message: str, code: str) -> InvalidInput:
    return InvalidInput([FieldError(("password",), message, code)])
