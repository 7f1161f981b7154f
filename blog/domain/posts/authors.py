"""The authors of posts: from usernames to accounts, and the rows of a post and of each of its versions."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Author, NotificationType
from blog.errors import FieldError, InvalidInput
from blog.schemas.accounts import Role
from blog.text.normalisation import fold_name

_u, _a, _r = tables.users.c, tables.post_authors.c, tables.revision_authors.c
_COLUMNS = (_u.id, _u.username, _u.name, _u.avatar)
_IS_WRITER = (_u.role != Role.READER.value) & _u.deleted_at.is_(None) & _u.suspended_at.is_(None)
MAX_FOUND = 20
_INSERT = PreparedQuery(tables.post_authors.insert(), columns=("post_id", "user_id", "position"))
_INSERT_VERSION = PreparedQuery(tables.revision_authors.insert(), columns=("post_id", "version", "user_id", "position"))


def of_actor(actor: Actor) -> Author:
    """Return the actor as an author."""
    return Author(actor.id, actor.username, actor.name)


async def find(ctx: Context, text: str) -> list[Author]:
    """Return users that may be named as authors, at most `MAX_FOUND`, by username.

    text: the start of a username, or of a word of a name.

    Raises NotAuthenticated or Forbidden.
    """
    policy.require_writer(ctx)
    folded, name = fold_name(text), sa.func.lower(_u.name)
    starts = (
        _u.username_folded.startswith(folded, autoescape=True),
        name.startswith(text.lower(), autoescape=True),
        name.contains(f" {text.lower()}", autoescape=True),
    )
    query = sa.select(*_COLUMNS).where(_IS_WRITER, sa.or_(*starts)).order_by(_u.username_folded).limit(MAX_FOUND)
    return [from_row(row) for row in await ctx.db.fetch_all(query)]


async def resolve(ctx: Context, usernames: Sequence[str], present: Sequence[Author] = ()) -> tuple[Author, ...]:
    """Return the authors with these usernames, in order; call it inside the transaction of the change.

    present: authors of the post. They may stay whatever their role is now.

    Raises InvalidInput for unknown users and for users without the right to write posts.
    """
    known = {fold_name(author.username): author for author in present}
    if added := [name for name in usernames if fold_name(name) not in known]:
        known |= await _writers(ctx.db, added)
    if unknown := [name for name in added if fold_name(name) not in known]:
        message = f"Not an author on this blog: {', '.join(unknown)}. Use the usernames of authors, editors and owners."
        raise InvalidInput([FieldError(("authors",), message, "authors")])
    return tuple(known[fold_name(name)] for name in usernames)


async def resolve_change(ctx: Context, changes: Mapping[str, Any], present: Sequence[Author]) -> Mapping[str, Any]:
    """Return the changes of a post with authors in place of usernames. Arguments and errors as for `resolve`."""
    if "authors" not in changes:
        return changes
    return {**changes, "authors": await resolve(ctx, changes["authors"], present)}


def require_own_name(ctx: Context, authors: Sequence[Author]) -> None:
    """Raise InvalidInput unless the actor may name these authors, or NotAuthenticated."""
    actor = ctx.require_actor()
    if not policy.can_name_authors(actor, authors):
        message = f"Keep your own username, {actor.username}, in the list of authors"
        raise InvalidInput([FieldError(("authors",), message, "authors")])


async def can_restore(ctx: Context, old: Sequence[Author], present: Sequence[Author]) -> bool:
    """Return whether the actor may name the authors of an old version again: all of them can still write posts.

    present: the authors of the post. They may stay whatever their role is now.
    """
    added = [author for author in old if author not in present]
    known = await _writers(ctx.db, [author.username for author in added]) if added else {}
    return len(known) == len(added) and policy.can_name_authors(ctx.require_actor(), old)


async def notify_added(ctx: Context, post_id: int, added: Sequence[Author]) -> None:
    """Notify users, except the actor, that they were named as authors of a post; call it inside the transaction of the change."""
    actor_id = ctx.require_actor().id
    rows = [
        {
            "user_id": author.id,
            "type": NotificationType.AUTHOR.value,
            "post_id": post_id,
            "actor_id": actor_id,
            "created_at": ctx.now,
        }
        for author in added
        if author.id != actor_id
    ]
    if rows:
        await ctx.db.execute(tables.notifications.insert().values(rows))


def insert_queries(post_id: int, authors: Sequence[Author]) -> list[BoundQuery]:
    """Return the statements that insert the authors of a post."""
    return [_INSERT(post_id=post_id, user_id=author.id, position=position) for position, author in enumerate(authors)]


async def set_for_post(db: Database, post_id: int, authors: Sequence[Author]) -> None:
    """Replace the authors of a post."""
    await db.execute(tables.post_authors.delete().where(_a.post_id == post_id))
    await db.pipeline(*insert_queries(post_id, authors))


def insert_version_queries(post_id: int, version: int, authors: Sequence[Author]) -> list[BoundQuery]:
    """Return the statements that insert the authors of a version."""
    return [
        _INSERT_VERSION(post_id=post_id, version=version, user_id=author.id, position=position)
        for position, author in enumerate(authors)
    ]


async def of_versions(db: Database, post_id: int, versions: Sequence[int]) -> dict[int, tuple[Author, ...]]:
    """Return the authors of versions of a post, with their present names, by version."""
    query = sa.select(_r.version, *_COLUMNS).join_from(tables.revision_authors, tables.users, _u.id == _r.user_id)
    query = query.where(_r.post_id == post_id, _r.version.in_(versions)).order_by(_r.version, _r.position)
    authors: dict[int, tuple[Author, ...]] = {}
    for row in await db.fetch_all(query) if versions else ():
        authors[row["version"]] = (*authors.get(row["version"], ()), from_row(row))
    return authors


def from_row(row: Any) -> Author:
    """Return the author in a row with the columns `id`, `username`, `name` and `avatar` of a user."""
    return Author(row["id"], row["username"], row["name"], row["avatar"])


async def _writers(db: Database, usernames: Sequence[str]) -> dict[str, Author]:
    """Return the accounts with these usernames that can write posts, by folded username.

    Locks them, so that none is deleted or becomes a reader before the transaction ends.
    """
    names = list(map(fold_name, usernames))
    query = sa.select(*_COLUMNS).where(_u.username_folded.in_(names), _IS_WRITER)
    return {fold_name(row["username"]): from_row(row) for row in await db.fetch_all(query.with_for_update(read=True))}
