"""The first steps of an owner with a new blog, and which of them are done."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.schemas.posts import PostStatus
from blog.schemas.static_pages import PageStatus

_p, _u = tables.posts.c, tables.users.c


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One step. `name` distinguishes them; optional ones do not keep the list on the dashboard."""

    name: str
    is_done: bool = False
    is_optional: bool = False


_STEPS = (FirstStep("post"), FirstStep("site"), FirstStep("page"), FirstStep("people", is_optional=True))
_LOOK = ("title", "description", "accent", "navigation")
"""The preferences that readers see. The setup page also stores the time zone, which the browser chooses."""
QUERY = PreparedQuery(
    sa.select(
        sa.exists().where(_p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None)).label("post"),
        sa.exists().where(tables.site_preferences.c.name.in_(_LOOK)).label("site"),
        sa.exists().where(tables.static_pages.c.status == PageStatus.PUBLISHED.value).label("page"),
        (sa.select(sa.func.count()).where(_u.deleted_at.is_(None), _u.email.is_not(None)).scalar_subquery() > 1).label("people"),
    )
)
"""The query for the row that `from_row` reads."""


def from_row(row: Record) -> Sequence[FirstStep]:
    """Return the steps, or none of them once all that are not optional are done."""
    steps = [FirstStep(step.name, bool(row[step.name]), step.is_optional) for step in _STEPS]
    return () if all(step.is_done or step.is_optional for step in steps) else steps
