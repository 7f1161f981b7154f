"""Sessions and tokens together: whether those who stay connected are still who they were, and the end of all of them."""

import datetime as dt
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Actor

_s, _t, _u = tables.sessions.c, tables.api_tokens.c, tables.users.c


async def still_valid(db: Database, actors: Collection[Actor], now: dt.datetime) -> set[Actor]:
    """Those of the actors whose session or token still holds, with the role that they had. At most two queries."""
    sessions = {actor.session: actor for actor in actors if actor.session}
    tokens = {actor.token_id: actor for actor in actors if actor.token_id}
    by_session = sa.select(_s.id_hash.label("key"), _u.role).join_from(tables.sessions, tables.users, _u.id == _s.user_id)
    by_token = sa.select(_t.id.label("key"), _u.role).join_from(tables.api_tokens, tables.users, _u.id == _t.user_id)
    held = _s.id_hash.in_(list(sessions)) & (_s.expires_at > now)
    good = _t.id.in_(list(tokens)) & _t.revoked_at.is_(None) & (_t.expires_at > now)
    return await _with_same_role(db, by_session.where(held), sessions) | await _with_same_role(db, by_token.where(good), tokens)


async def revoke_all(db: Database, now: dt.datetime, *, keep_tokens: bool = False) -> tuple[int, int]:
    """End every session and, unless told otherwise, every token; how many those were. For a database that came back."""
    async with db.transaction():
        sessions = await db.execute(tables.sessions.delete())
        good = _t.revoked_at.is_(None) & (_t.expires_at > now)
        tokens = 0 if keep_tokens else await db.execute(tables.api_tokens.update().where(good).values(revoked_at=now))
    return int(sessions or 0), int(tokens or 0)


async def _with_same_role(db: Database, query: sa.Select[Any], actors: dict[Any, Actor]) -> set[Actor]:
    if not actors:
        return set()
    return {actors[row["key"]] for row in await db.fetch_all(query) if row["role"] == actors[row["key"]].role.value}
