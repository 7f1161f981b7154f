"""Accounts for the authors of imported posts: a by-line without a password."""

import re
import unicodedata

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.core.models import Author
from blog.schemas.accounts import Role
from blog.text.normalisation import fold_name

_u = tables.users.c
_CAN_WRITE = _u.role != Role.READER.value
_CAN_SIGN_IN = _u.password_hash.is_not(None)


async def get_or_create_author(ctx: Context, name: str) -> Author:
    """Return the author's account, and create the account if none matches; call it inside a transaction.

    A name always gives the same account: first one with exactly this name that cannot sign in, then one that can, with
    the name as its username (case-insensitive). Never an account with the `reader` role, because anyone can register any name.
    """
    username = username_from_name(name)
    is_named = _u.name == name
    own = (_u.username_folded == fold_name(name)) | (is_named & (_u.username_folded == fold_name(username)))
    for condition in (is_named & ~_CAN_SIGN_IN, own & _CAN_SIGN_IN):
        query = sa.select(_u.id, _u.username, _u.name).where(_CAN_WRITE, condition).order_by(_u.id).limit(1)
        if (row := await ctx.db.fetch_one(query)) is not None:
            return Author(row["id"], row["username"], row["name"])
    return await _insert(ctx, name, await accounts.available_username(ctx, username))


def username_from_name(name: str) -> str:
    """Return a username made from a name: letters and digits of any script, `_` and `-`; at most 50 characters."""
    chars = (char if _is_word_char(char) else " " for char in unicodedata.normalize("NFC", name))
    return re.sub(r"\s+", "-", "".join(chars).strip())[: accounts.MAX_USERNAME_LENGTH].strip("-") or "author"


def _is_word_char(char: str) -> bool:
    return char in "_-" or unicodedata.category(char)[0] in "LMN"


async def _insert(ctx: Context, name: str, username: str) -> Author:
    values = {
        "username": username,
        "username_folded": fold_name(username),
        "name": name,
        "role": Role.AUTHOR.value,
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    return Author(await ctx.db.execute(tables.users.insert().values(values)), username, name)
