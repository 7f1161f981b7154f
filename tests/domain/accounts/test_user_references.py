"""Account deletion and account export handle every table with a column that refers to a user."""

import io
import json
import re
import zipfile
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.app import routes
from blog.db import tables
from blog.domain.accounts import account_deletion
from blog.domain.accounts.user_references import USER_REFERENCES, ExportFile, OnDeletion, UserReference
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.framework.urls.urls import UrlBuilder
from blog.import_export import account_export
from blog.schemas.accounts import AccountDeletion, PostsOnDeletion
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from tests.conftest import ORIGIN, PASSWORD

PERSONAL = "personal-text"
KEPT_TABLES = {
    "posts", "post_slugs", "revisions", "comments", "events", "media", "audit_log", "feature_flags", "site_preferences",
    "static_pages",
}  # fmt: skip
"""Tables with texts that stay when an account is deleted: its publications, and its work for the site."""
USER_COLUMN = re.compile(
    r"(.*_)?(user|actor|subject|author|editor|inviter|owner|member|moderator|reader|sender|creator)(_id)?|.*_by"
)
NOT_USERS = {"events.post_id", "events.comment_id", "trimmed_channels.event_id"}
"""Ids without a foreign key that refer to something other than a user."""


def columns_that_refer_to_users(metadata: sa.MetaData) -> set[str]:
    """Return `table.column` for foreign keys to users, names that suggest a user, and ids without a foreign key."""
    names = set()
    for table in metadata.tables.values():
        for column in table.columns:
            targets = {key.target_fullname for key in column.foreign_keys}
            is_untyped_id = column.name.endswith("_id") and not targets and isinstance(column.type, sa.Integer)
            if "users.id" in targets or USER_COLUMN.fullmatch(column.name) or is_untyped_id:
                names.add(f"{table.name}.{column.name}")
    return names - NOT_USERS


def test_every_column_that_refers_to_a_user_is_declared() -> None:
    declared = {str(reference.column) for reference in USER_REFERENCES}
    found = columns_that_refer_to_users(tables.metadata)
    assert found - declared == set(), "declare in blog/domain/accounts/user_references.py what deletion and export do with these"
    assert declared - found == set(), "these refer to no user"
    assert len(declared) == len(USER_REFERENCES)


@pytest.mark.parametrize("column", [
    sa.Column("reader", sa.Integer, sa.ForeignKey("users.id")),
    sa.Column("list_maker", sa.Integer, sa.ForeignKey("users.id")),
    sa.Column("actor_id", sa.BigInteger),
    sa.Column("account_id", sa.BigInteger),
    sa.Column("created_by", sa.BigInteger),
])  # fmt: skip
def test_forgotten_table_is_noticed(column: sa.Column[Any]) -> None:
    metadata = sa.MetaData()
    sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("reading_list", metadata, sa.Column("post_id", sa.Integer, sa.ForeignKey("posts.id")), column)
    sa.Table("posts", metadata, sa.Column("id", sa.Integer, primary_key=True))
    assert columns_that_refer_to_users(metadata) == {f"reading_list.{column.name}"}


def filled_row(ctx: Context, reference: UserReference, user_id: int, ids: dict[str, int]) -> dict[str, Any]:
    """Return a row that refers to the user, with `PERSONAL` in every text and JSON column."""
    row: dict[str, Any] = {}
    for column in reference.column.table.columns:
        targets = [key.target_fullname for key in column.foreign_keys]
        if targets and targets[0] in ids:
            row[column.name] = ids[targets[0]]
        elif isinstance(column.type, tables.UTCDateTime):
            row[column.name] = None if column.nullable else ctx.now
        elif isinstance(column.type, sa.JSON):
            row[column.name] = {"title": PERSONAL}
        elif isinstance(column.type, sa.String):
            row[column.name] = {"role": "author", "kind": "post"}.get(column.name, PERSONAL)
        elif isinstance(column.type, sa.Boolean):
            row[column.name] = True
        elif column.name != "id" and not column.nullable:
            row[column.name] = 1
    return row | {reference.column.name: user_id}


@pytest.fixture
async def rows_of_user(author: Context) -> dict[str, int]:
    """Create one row per reference; return the number of rows of each column that refer to the user."""
    actor = author.require_actor()
    post = await posts.create(author, NewPost(title=PERSONAL, content="x"))
    comment = await comments.create(author, post.id, NewComment(content=PERSONAL))
    ids = {"users.id": actor.id, "posts.id": post.id, "comments.id": comment.id}
    made_above = {
        tables.post_authors, tables.revisions, tables.revision_authors, tables.comments, tables.audit_log,
    }  # fmt: skip
    for table, reference in {reference.column.table: reference for reference in USER_REFERENCES}.items():
        if table not in made_above or table is tables.audit_log:
            row = filled_row(author, reference, actor.id, ids)
            row |= {"variants": []} if table is tables.media else {}
            row |= {"actor_id": actor.id, "subject_id": actor.id} if table is tables.audit_log else {}
            row |= {"scopes": ["account"]} if table is tables.api_tokens else {}
            await author.db.execute(sa.insert(table).values(row))
    counts = {str(reference.column): await count(author, reference, actor.id) for reference in USER_REFERENCES}
    assert all(counts.values()), counts
    return counts


async def count(ctx: Context, reference: UserReference, user_id: int) -> int:
    query = sa.select(sa.func.count()).select_from(reference.column.table).where(reference.column == user_id)
    return int(await ctx.db.fetch_val(query))


async def test_deletion_does_what_is_declared(author: Context, rows_of_user: dict[str, int]) -> None:
    user_id = author.require_actor().id
    before = await author.db.fetch_val(sa.select(sa.func.max(tables.audit_log.c.id)))
    deletion = AccountDeletion(username="ada", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    await account_deletion.delete_account(author, deletion)
    await author.db.execute(tables.audit_log.delete().where(tables.audit_log.c.id > before))  # the entry of the deletion
    for reference in USER_REFERENCES:
        left = await count(author, reference, user_id)
        if reference.on_deletion is OnDeletion.DELETE:
            assert left == 0, f"{reference.column}: rows were left"
        else:
            assert left == rows_of_user[str(reference.column)], f"{reference.column}: rows were deleted"
        if reference.on_deletion is OnDeletion.CLEAR:
            assert reference.cleared
            table = reference.column.table
            for row in await author.db.fetch_all(sa.select(table).where(reference.column == user_id)):
                assert {name: row[name] for name in reference.cleared} == dict(reference.cleared), reference.column


async def test_deletion_leaves_only_published_texts(author: Context, rows_of_user: dict[str, int]) -> None:
    await author.db.execute(tables.users.update().values(name=PERSONAL, bio=PERSONAL, email=PERSONAL, email_folded=PERSONAL))
    assert await tables_with(author, PERSONAL) > {"users", "sessions", "api_tokens", "autosaves", "two_factor", "email_changes"}
    deletion = AccountDeletion(username="ada", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    await account_deletion.delete_account(author, deletion)
    assert await tables_with(author, PERSONAL) == KEPT_TABLES


async def tables_with(ctx: Context, text: str) -> set[str]:
    """Return the names of the tables that contain a text."""
    found = set()
    for table in tables.metadata.sorted_tables:
        rows = await ctx.db.fetch_all(sa.select(table))
        if any(text in str(value) for row in rows for value in dict(row).values()):
            found.add(table.name)
    return found


async def test_export_contains_what_is_declared(author: Context, rows_of_user: dict[str, int]) -> None:
    file = io.BytesIO()
    await account_export.write_archive(author, UrlBuilder(routes, ORIGIN), file)
    archive = zipfile.ZipFile(file)
    declared = {reference.export for reference in USER_REFERENCES if isinstance(reference.export, ExportFile)}
    assert declared | {ExportFile.PROFILE} == set(ExportFile)
    for exported in ExportFile:
        assert exported.value in archive.read("README.txt").decode()
        texts = [archive.read(name).decode() for name in archive.namelist() if name.startswith(exported.value)]
        assert (PERSONAL if exported is not ExportFile.PROFILE else "ada@example.org") in "".join(texts), exported
    assert len(json.loads(archive.read(ExportFile.AUTOSAVES))) == 1
