"""Checks and revocation across sessions and tokens."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Actor

_s, _t, _u = tables.sessions.c, tables.api_tokens.c, tables.users.c


async def still_valid(db: Database, actors: Collection[Actor], now: dt.datetime) -> Mapping[Actor, bool]:
    """Return the actors with a session or token that is still valid, and whether their role is unchanged.

    Takes at most two queries.
    """
    sessions = {actor.session: actor for actor in actors if actor.session}
    tokens = {actor.token_id: actor for actor in actors if actor.token_id}
    by_session = sa.select(_s.id_hash.label("key"), _u.role).join_from(tables.sessions, tables.users, _u.id == _s.user_id)
    by_token = sa.select(_t.id.label("key"), _u.role).join_from(tables.api_tokens, tables.users, _u.id == _t.user_id)
    active = _u.suspended_at.is_(None)
    valid_sessions = _s.id_hash.in_(list(sessions)) & (_s.expires_at > now) & active
    valid_tokens = _t.id.in_(list(tokens)) & _t.revoked_at.is_(None) & (_t.expires_at > now) & active
    actors_with_session = await _have_same_role(db, by_session.where(valid_sessions), sessions)
    return actors_with_session | await _have_same_role(db, by_token.where(valid_tokens), tokens)


async def revoke_all(db: Database, now: dt.datetime, *, keep_tokens: bool = False) -> tuple[int, int]:
    """Revoke all sessions and tokens, and return the numbers of both. Used after a database is restored."""
    async with db.transaction():
        sessions = await db.execute(tables.sessions.delete())
        valid = _t.revoked_at.is_(None) & (_t.expires_at > now)
        tokens = 0 if keep_tokens else await db.execute(tables.api_tokens.update().where(valid).values(revoked_at=now))
    return int(sessions or 0), int(tokens or 0)


async def _have_same_role(db: Database, query: sa.Select[Any], actors: dict[Any, Actor]) -> dict[Actor, bool]:
    rows = await db.fetch_all(query) if actors else []
    return {actors[row["key"]]: row["role"] == actors[row["key"]].role.value for row in rows}
