"""Names that look like those of the staff: other accounts may not have them."""

import re
from collections.abc import Iterator

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.errors import FieldError
from blog.schemas.accounts import Role
from blog.text.confusables import lookalike_keys

_u = tables.users.c
_IS_STAFF = (_u.role != Role.READER.value) & _u.deleted_at.is_(None)
_ROLES = (
    "admin", "administrator", "author", "editor", "mod", "moderator", "official", "owner", "staff", "support", "system", "team",
    "webmaster",
)  # fmt: skip
_ATTRIBUTES = ("blog", "real", "site")
_ARTICLES = ("of", "the", "this")


def _keys(*words: str) -> frozenset[str]:
    return frozenset(key for word in words for form in (word, f"{word}s") for key in lookalike_keys(form))


_ROLE_KEYS = _keys(*_ROLES)
_AFFIX_KEYS = _ROLE_KEYS | _keys(*_ATTRIBUTES)
_ROLE_AFFIX_KEYS = _AFFIX_KEYS | _keys(*_ARTICLES)
"""Also articles, but not before names: Theron is not Ron."""
_MAX_AFFIX_LENGTH = 16
_MIN_JOINED_LENGTH = 8
"""The length of a name from which affixes without a separator are removed: `Modeste` is not Este, and `Staffan` is not An."""
_MIN_JOINED_STEM = 3
"""The minimum length of a name without such an affix."""
_FILLER_KEYS = frozenset(key for word in (*_ATTRIBUTES, *_ARTICLES) for key in lookalike_keys(word))
# Also between a small letter and a capital, and between Latin and East Asian letters: `TheModerator`, `山田official`.
# Compiled when it is first used, because that would take 10 ms of each start.
_SEPARATORS = (
    r"[\s\-_.,:;!?()\[\]{}|/+*#~\"'\u2010-\u2027«»·]+|(?<=[a-z])(?=[A-Z])"
    r"|(?<=[A-Za-z])(?=[\u2e80-\uffdc])|(?<=[\u2e80-\uffdc])(?=[A-Za-z])"
)
_DIGITS = re.compile(r"^\d+|\d+$")
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
    # In a thread: a hostile name takes up to 0.1 s.
    is_reserved = role is not Role.EDITOR and await anyio.to_thread.run_sync(_is_reserved, name, ctx.site.title)
    if is_reserved or await _is_like_staff(ctx, name, user_id):
        return FieldError((field,), _RESERVED_NAME if is_reserved else _LIKE_STAFF, "conflict")
    return None


def _is_reserved(name: str, title: str) -> bool:
    """Return whether the name is made of words such as "moderator" and "official" alone, or is like the title of the blog."""
    joined = "".join(re.split(_SEPARATORS, name))
    if joined and not _personal_words(name):
        return True
    is_role = not _stems(joined, _ROLE_AFFIX_KEYS).isdisjoint(_ROLE_KEYS)
    return is_role or not _name_stems(joined).isdisjoint(lookalike_keys(title))


async def _is_like_staff(ctx: Context, name: str, user_id: int | None) -> bool:
    query = sa.select(_u.username, _u.name).where(_IS_STAFF)
    rows = await ctx.db.fetch_all(query if user_id is None else query.where(_u.id != user_id))
    names = {row[column] for row in rows for column in ("username", "name")}
    return await anyio.to_thread.run_sync(_is_like_any, name, names)


def _is_like_any(name: str, names: set[str]) -> bool:
    """Return whether the name looks like one of `names`, or like one with words such as "the real" and "moderator" added."""
    stems = _name_stems("".join(re.split(_SEPARATORS, name))) | _name_stems(_personal_words(name))
    return any(not stems.isdisjoint(lookalike_keys(other)) for other in names)


def _personal_words(name: str) -> str:
    """Return the words of a name without those that describe the role, such as "the real" and "moderator"."""
    return "".join(word for word in re.split(_SEPARATORS, name) if not (_is_filler(word) or _is_role(word)))


def _is_filler(word: str) -> bool:
    return not lookalike_keys(word).isdisjoint(_FILLER_KEYS)


def _is_role(word: str) -> bool:
    return not lookalike_keys(_DIGITS.sub("", word)).isdisjoint(_ROLE_KEYS)


def _name_stems(name: str) -> frozenset[str]:
    """Return the stems of a name that may be an ordinary word, such as Modern or Systema."""
    is_long = len(_DIGITS.sub("", name)) >= _MIN_JOINED_LENGTH
    return _stems(name, _AFFIX_KEYS if is_long else frozenset(), min_length=_MIN_JOINED_STEM)


def _stems(name: str, affixes: frozenset[str], *, min_length: int = 1) -> frozenset[str]:
    """Return the keys of a name, and of what is left of it without digits and affixes at its ends: `adaofficial1` → `ada`.

    min_length: the number of characters that an affix must leave.
    """
    found: set[str] = set()
    shorter = {name}
    while shorter:
        found |= shorter
        shorter = {stem for text in shorter for stem in _shorten(text, affixes, min_length)} - found
    return frozenset(key for stem in found for key in lookalike_keys(stem))


def _shorten(text: str, affixes: frozenset[str], min_length: int) -> Iterator[str]:
    yield _DIGITS.sub("", text)
    for length in range(2, min(len(text) - min_length + 1, _MAX_AFFIX_LENGTH)):
        if not lookalike_keys(text[:length]).isdisjoint(affixes):
            yield text[length:]
        if not lookalike_keys(text[-length:]).isdisjoint(affixes):
            yield text[:-length]
