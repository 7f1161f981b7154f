"""The places in which an uploaded file is used: posts and their older versions, pages, unsaved texts, profiles, tags."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.media.models import Media
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.schemas.static_pages import PageStatus

_p, _r, _a, _u, _t = tables.posts.c, tables.revisions.c, tables.autosaves.c, tables.users.c, tables.tags.c


class UseKind(StrEnum):
    """The kind of place in which a file is used."""

    POST = "post"
    DELETED_POST = "deleted post"
    OLDER_VERSION = "older version"
    PAGE = "page"
    UNSAVED_TEXT = "unsaved text"
    PROFILE = "profile picture"
    TAG = "tag"
    SITE = "site settings"


@dataclass(frozen=True, slots=True)
class MediaUse:
    """One place in which a file is used. `slug`: of the post, page or tag, or the username of a profile; it may be empty."""

    kind: UseKind
    title: str
    slug: str = ""
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class MediaUses:
    """The uses that the actor may see, and the number of drafts and unsaved texts of others."""

    visible: Sequence[MediaUse]
    hidden_count: int

    @property
    def current_count(self) -> int:
        """The number of texts, profiles and settings that show the file now: not older versions, not deleted posts."""
        return self.hidden_count + sum(use.kind not in (UseKind.OLDER_VERSION, UseKind.DELETED_POST) for use in self.visible)


async def find(ctx: Context, item: Media) -> MediaUses:
    """Return where the files of an entry are used. Drafts and unsaved texts of others are only counted."""
    names = item.file_names
    posts, hidden_posts = await _posts(ctx, names)
    unsaved, hidden_texts = await _unsaved_texts(ctx, names)
    pages, hidden_pages = await _pages(ctx, names)
    uses = [*posts, *pages, *unsaved, *await _profiles_tags_and_settings(ctx, names)]
    return MediaUses(uses, hidden_posts + hidden_pages + hidden_texts)


def mentions(column: sa.ColumnElement[str], names: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a text or JSON column contains one of the file names."""
    text = sa.func.coalesce(sa.cast(column, sa.Text), "")
    return sa.or_(*(text.contains(name) for name in names))


def _is_in_post(names: Collection[str]) -> sa.ColumnElement[bool]:
    return mentions(_p.content, names) | mentions(_p.feature_image, names)


async def _posts(ctx: Context, names: Collection[str]) -> tuple[list[MediaUse], int]:
    older = sa.exists().where(_r.post_id == _p.id, mentions(_r.content, names) | mentions(_r.feature_image, names))
    is_current = _is_in_post(names).label("is_current")
    query = sa.select(_p.id, _p.deleted_at, is_current).where(sa.or_(is_current, older)).order_by(_p.id.desc())
    rows = await ctx.db.fetch_all(query)
    columns = sa.select(*post_queries.SUMMARY_COLUMNS)  # also deleted posts
    found = {post.id: post for post in await post_queries.fetch(ctx.db, columns.where(_p.id.in_([row["id"] for row in rows])))}
    uses, hidden = [], 0
    for row in rows:
        post, is_deleted = found[row["id"]], row["deleted_at"] is not None
        if policy.can_edit(ctx.actor, post) or (row["is_current"] and not is_deleted and policy.can_see(ctx.actor, post)):
            uses.append(_post_use(post, is_deleted, row["is_current"]))
        else:
            hidden += row["is_current"] and not is_deleted
    return uses, hidden


def _post_use(post: Post, is_deleted: bool, is_current: bool) -> MediaUse:
    kind = UseKind.DELETED_POST if is_deleted else UseKind.POST if is_current else UseKind.OLDER_VERSION
    return MediaUse(kind, post.title, "" if is_deleted else post.slug, is_draft=post.status != "published")


async def _pages(ctx: Context, names: Collection[str]) -> tuple[list[MediaUse], int]:
    pages = tables.static_pages.c
    query = sa.select(pages.title, pages.slug, pages.status).where(mentions(pages.content, names)).order_by(pages.title)
    rows = await ctx.db.fetch_all(query)
    found = [MediaUse(UseKind.PAGE, row["title"], row["slug"], is_draft=row["status"] == PageStatus.DRAFT) for row in rows]
    uses = [use for use in found if not use.is_draft or policy.is_owner(ctx.actor)]
    return uses, len(found) - len(uses)


async def _unsaved_texts(ctx: Context, names: Collection[str]) -> tuple[list[MediaUse], int]:
    query = sa.select(_a.user_id, _a.form, _p.slug).select_from(tables.autosaves.outerjoin(tables.posts, _p.id == _a.post_id))
    rows = await ctx.db.fetch_all(query.where(mentions(_a.form, names)).order_by(_a.id.desc()))
    own = [row for row in rows if row["user_id"] == ctx.require_actor().id]
    uses = [MediaUse(UseKind.UNSAVED_TEXT, row["form"].get("title", ""), row["slug"] or "") for row in own]
    return uses, len(rows) - len(own)


async def _profiles_tags_and_settings(ctx: Context, names: Collection[str]) -> list[MediaUse]:
    users = await ctx.db.fetch_all(sa.select(_u.username, _u.name).where(_u.avatar.in_(names)).order_by(_u.id))
    uses = [MediaUse(UseKind.PROFILE, row["name"], row["username"]) for row in users]
    tags = await ctx.db.fetch_all(sa.select(_t.name).where(mentions(_t.image, names)).order_by(_t.id))
    uses += [MediaUse(UseKind.TAG, row["name"], row["name"]) for row in tags]
    settings = sa.select(sa.exists().where(mentions(tables.site_preferences.c.value, names)))
    return [*uses, *([MediaUse(UseKind.SITE, "")] if await ctx.db.fetch_val(settings) else [])]


async def editable_posts(ctx: Context, names: Collection[str]) -> list[Post]:
    """Return the complete posts that contain one of the file names and that the actor may change."""
    query = post_queries.select(*post_queries.FULL_COLUMNS).where(_is_in_post(names)).order_by(_p.id)
    return [post for post in await post_queries.fetch(ctx.db, query) if policy.can_edit(ctx.actor, post)]
