"""Names that look like those of the staff: other accounts may not have them."""

import re

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.errors import FieldError
from blog.schemas.accounts import Role
from blog.text.confusables import lookalike_keys

_u = tables.users.c
_IS_STAFF = (_u.role != Role.READER.value) & _u.deleted_at.is_(None)
_RESERVED_WORDS = (
    "admin", "administrator", "author", "editor", "mod", "moderator", "owner", "staff", "support", "system", "webmaster"
)  # fmt: skip
_RESERVED = frozenset(key for word in _RESERVED_WORDS for form in (word, f"{word}s") for key in lookalike_keys(form))
_FILLERS = frozenset({"blog", "of", "official", "real", "site", "team", "the", "this"})
_SEPARATORS = re.compile(r"[\s\-_.,:;!?()\[\]{}|/+*#~\"'\u2010-\u2027«»·]+")
_LIKE_STAFF = "This looks like the name of somebody who runs this blog. Choose a different one."
_RESERVED_NAME = "This name is reserved for the people who run this blog. Choose a different one."


async def find_error(ctx: Context, name: str, field: str, *, role: Role, user_id: int | None = None) -> FieldError | None:
    """Return the error of a name that looks like one of the staff, or None.

    The staff are the accounts that can write posts. Editors and owners may have reserved names, owners any name.

    field: the field of the name, for the error.
    role: the role of the account that is to have the name.
    user_id: the account, to leave out its own names; None for a new account.
    """
    if role is Role.OWNER:
        return None
    is_reserved = role is not Role.EDITOR and _is_reserved(ctx, name)
    if is_reserved or await _is_like_staff(ctx, name, user_id):
        return FieldError((field,), _RESERVED_NAME if is_reserved else _LIKE_STAFF, "conflict")
    return None


def _is_reserved(ctx: Context, name: str) -> bool:
    """Return whether the name is made of words such as "moderator" and "official" alone, or is the title of the blog."""
    is_made_of_roles = bool(_SEPARATORS.sub("", name)) and not _personal_words(name)
    return is_made_of_roles or not lookalike_keys(name).isdisjoint(lookalike_keys(ctx.site.title))


async def _is_like_staff(ctx: Context, name: str, user_id: int | None) -> bool:
    query = sa.select(_u.username, _u.name).where(_IS_STAFF)
    rows = await ctx.db.fetch_all(query if user_id is None else query.where(_u.id != user_id))
    names = {row[column] for row in rows for column in ("username", "name")}
    return await anyio.to_thread.run_sync(_is_like_any, name, names)


def _is_like_any(name: str, names: set[str]) -> bool:
    """Return whether the name looks like one of `names`, or like one with words such as "the real" and "moderator" added."""
    keys = lookalike_keys(name) | lookalike_keys(_personal_words(name))
    return any(not keys.isdisjoint(lookalike_keys(other)) for other in names)


def _personal_words(name: str) -> str:
    """Return the words of a name without those that describe the role, such as "the real" and "moderator"."""
    return "".join(word for word in _SEPARATORS.split(name) if word.lower() not in _FILLERS and not _is_role(word))


def _is_role(word: str) -> bool:
    return not lookalike_keys(word.rstrip("0123456789")).isdisjoint(_RESERVED)
