"""Edit conflicts: two people changed one post, and the second one to save sees both changes, so that neither is lost."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.posts import authors, diffs, feature_image, revisions
from blog.domain.posts.diffs import PostDiff
from blog.domain.posts.models import Post, Revision
from blog.domain.posts.post_content import POST_FIELDS, FieldKind, PostContent, PostField, content_of, with_changes
from blog.errors import NotFound
from blog.schemas.posts import PostChanges
from blog.text.three_way_merge import merge


@dataclass(frozen=True, slots=True)
class EditConflict:
    """The saved content (`theirs`), the same with the submitted changes (`mine`), and the changes from the one to the other.

    `base` is the version that the form was opened with, `latest` the version that was saved since, and `diff_since_base` its
    changes; all None if the base is unknown. `merged` has both changes and `merged_diff` compares it with `theirs`; if they
    overlap, `merged` is None and `overlapping` names what both changed, such as "the title".
    """

    theirs: PostContent
    mine: PostContent
    diff: PostDiff
    base: Revision | None = None
    latest: Revision | None = None
    diff_since_base: PostDiff | None = None
    merged: PostContent | None = None
    merged_diff: PostDiff | None = None
    overlapping: Sequence[str] = ()


async def describe(ctx: Context, post: Post, submitted: PostChanges, base_version: int) -> EditConflict:
    """Compare the submitted changes with the saved post, and merge them if possible.

    post: the saved post.
    base_version: the version that the form was opened with.

    Raises NotAuthenticated, NotFound (post) or Forbidden.
    """
    theirs = content_of(post)
    try:
        base_revision, latest = await revisions.get_pair(ctx, post.id, base_version, post.version)
    except NotFound:  # the form was forged, or a version is missing in the database
        mine = await _submitted_content(ctx, submitted, theirs, post)
        return EditConflict(theirs, mine, await diffs.compare(theirs, mine, ctx.site.formats))
    base = content_of(base_revision)
    mine = _keep_mine(base, await _submitted_content(ctx, submitted, base, post), theirs)
    merged, overlapping = await anyio.to_thread.run_sync(_merge, base, mine, theirs)
    return EditConflict(
        theirs,
        mine,
        await diffs.compare(theirs, mine, ctx.site.formats),
        base_revision,
        latest,
        await diffs.compare(base, theirs, ctx.site.formats),
        merged,
        await diffs.compare(theirs, merged, ctx.site.formats) if merged else None,
        overlapping,
    )


async def _submitted_content(ctx: Context, submitted: PostChanges, base: PostContent, post: Post) -> PostContent:
    """Return the content of the form. Fields that it does not send, such as an empty slug, are those of `base`."""
    changes = {name: getattr(submitted, name) for name in submitted.model_fields_set}
    changes = await feature_image.resolve_change(ctx, changes, base.feature_image)
    return with_changes(base, await authors.resolve_change(ctx, changes, (*post.authors, *base.authors)))


def _keep_mine(base: PostContent, submitted: PostContent, theirs: PostContent) -> PostContent:
    """Return their content with each field that the submitted form changed. A field that only they changed stays theirs."""
    kept = theirs
    for _, names in _field_groups():
        if _comparable(submitted, names) != _comparable(base, names):
            kept = _replace(kept, {name: getattr(submitted, name) for name in names})
    return kept


def _field_groups() -> Iterator[tuple[PostField, Sequence[str]]]:
    """Yield each independent field, with the names of the fields that change together with it."""
    for field in POST_FIELDS:
        if not field.depends_on:
            yield field, [field.name, *(other.name for other in POST_FIELDS if other.depends_on == field.name)]


def _merge(base: PostContent, mine: PostContent, theirs: PostContent) -> tuple[PostContent | None, Sequence[str]]:
    merged = theirs
    overlapping: list[str] = []
    for field, names in _field_groups():
        ours, others, before = (_comparable(content, names) for content in (mine, theirs, base))
        if ours in (before, others):
            continue
        if others == before:
            merged = _replace(merged, {name: getattr(mine, name) for name in names})
        elif field.kind is FieldKind.TEXT and (text := _merge_text(field, base, mine, theirs)) is not None:
            merged = _replace(merged, {field.name: text})
        else:
            overlapping.append(f"the same lines of the {field.noun}" if field.kind is FieldKind.TEXT else f"the {field.noun}")
    return (None if overlapping else merged), tuple(overlapping)


def _replace(content: PostContent, values: dict[str, Any]) -> PostContent:
    return dataclasses.replace(content, **values)


def _merge_text(field: PostField, *versions: PostContent) -> str | None:
    base, mine, theirs = (getattr(version, field.name) for version in versions)
    return merge(base, mine, theirs)


def _comparable(content: PostContent, names: Sequence[str]) -> Sequence[Any]:
    """Return the values of fields. Times lose their seconds, which forms do not show."""
    values = (getattr(content, name) for name in names)
    return [value.replace(second=0, microsecond=0) if isinstance(value, dt.datetime) else value for value in values]
