"""Records of imported files: the post that each file became, and its version."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.domain.core.rows import from_row

_i, _p = tables.import_records.c, tables.posts.c
_POST_ID_BY_SOURCE = PreparedQuery(sa.select(_i.post_id).where(_i.source == sa.bindparam("source")))
_DELETE = PreparedQuery(tables.import_records.delete().where(_i.source == sa.bindparam("source")))
_INSERT = PreparedQuery(tables.import_records.insert(), columns=("source", "digest", "post_id", "version"))


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An imported file. `imported_version` is the version that the import stored; `slug` and `current_version` are current."""

    source: str
    digest: str
    post_id: int
    imported_version: int
    slug: str
    current_version: int
    is_deleted: bool

    @property
    def is_edited(self) -> bool:
        """Whether the post was edited in the blog since the import."""
        return self.current_version != self.imported_version


async def find(db: Database, sources: Collection[str], digests: Collection[str]) -> list[ImportRecord]:
    """Return the records of files with one of these names or SHA-256 digests, by name."""
    query = (
        sa.select(_i.source, _i.digest, _i.post_id, _i.version.label("imported_version"))
        .add_columns(_p.slug, _p.version.label("current_version"), _p.deleted_at)
        .join_from(tables.import_records, tables.posts, _p.id == _i.post_id)
        .where(sa.or_(_i.source.in_(list(sources)), _i.digest.in_(list(digests))))
        .order_by(_i.source)
    )
    return [from_row(ImportRecord, row, is_deleted=row["deleted_at"] is not None) for row in await db.fetch_all(query)]


async def find_post_id(db: Database, source: str) -> int | None:
    """Return the id of the post that a file became."""
    post_id: int | None = await db.fetch_val(_POST_ID_BY_SOURCE(source=source))
    return post_id


async def save(db: Database, source: str, digest: str, post_id: int, version: int) -> None:
    """Record that a file became this version of a post. Call it inside the transaction that writes the post.

    source: the name of the imported folder and the path below it.
    digest: the SHA-256 of the file, in hex.
    """
    await db.pipeline(_DELETE(source=source), _INSERT(source=source, digest=digest, post_id=post_id, version=version))
