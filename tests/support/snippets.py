"""Snippets of stored posts, as the search makes them."""

from collections.abc import Sequence

from blog.db import fulltext
from blog.db.database import Database
from blog.db.fulltext import Snippet
from tests.support.optional import unwrap


async def snippets_of(db: Database, text: str, ids: Sequence[int]) -> dict[int, Snippet]:
    """Return the snippets of these posts for a search, by id."""
    search = unwrap(fulltext.parse(db, text))
    return await fulltext.snippets(search, await db.fetch_all(search.shape.texts(ids)))
