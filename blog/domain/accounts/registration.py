"""Checks of a new account that need the database. They find every error at once, so that people correct a form once."""

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import impersonation, password_policy
from blog.domain.core.context import Context
from blog.errors import Conflict, FieldError, InvalidInput
from blog.schemas.accounts import NewUser, Role
from blog.text.normalisation import fold_name

_u = tables.users.c
_OF_DELETED_ACCOUNT = re.compile(r"deleted-\d+.*", re.IGNORECASE)
RESERVED = "This username is reserved. Choose a different one."
TAKEN = {
    "username": "This username is taken. Choose a different one.",
    "email": "Another account uses this e-mail address",
}
"""The messages for a unique field that another account has, by field."""


def is_reserved(username: str) -> bool:
    """Return whether the username has the form of those of deleted accounts."""
    return _OF_DELETED_ACCOUNT.fullmatch(username) is not None


async def require_valid(ctx: Context, new: NewUser, role: Role) -> None:
    """Raise InvalidInput with all errors of a new account, or Conflict if all errors are about names in use."""
    errors = await find_errors(ctx, {"username": new.username, "email": new.email, "password": new.password}, role)
    if any(error.type != "conflict" for error in errors):
        raise InvalidInput(errors)
    if errors:
        raise Conflict(errors=errors)


async def find_errors(ctx: Context, values: Mapping[str, Any], role: Role) -> list[FieldError]:
    """Return the errors of the members `username`, `email` and `password`, as far as `values` has them."""
    username, email, password = (values.get(name) or None for name in ("username", "email", "password"))
    errors = await _find_name_errors(ctx, username, email, role)
    if isinstance(password, str):
        password = SecretStr(password)
    if password is not None:
        errors += password_policy.find_errors(ctx, password, username or "", email)
    return errors


async def _find_name_errors(ctx: Context, username: str | None, email: str | None, role: Role) -> list[FieldError]:
    taken = await _find_taken(ctx, username, email)
    errors = [FieldError((field,), TAKEN[field], "conflict") for field in taken]
    if username is not None and is_reserved(username):
        errors.append(FieldError(("username",), RESERVED, "conflict"))
    elif username is not None and "username" not in taken:
        error = await impersonation.find_error(ctx, username, "username", role=role)
        errors += [error] if error else []
    return errors


async def _find_taken(ctx: Context, username: str | None, email: str | None) -> list[str]:
    keys = {"username": fold_name(username or ""), "email": fold_name(email or "")}
    query = sa.select(_u.username_folded, _u.email_folded)
    rows = await ctx.db.fetch_all(query.where((_u.username_folded == keys["username"]) | (_u.email_folded == keys["email"])))
    return [field for field, key in keys.items() if key and key in {row[f"{field}_folded"] for row in rows}]
