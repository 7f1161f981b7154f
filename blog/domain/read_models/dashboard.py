"""Read model of the dashboard, read in one call to the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import autosaves, post_lists
from blog.domain.posts.autosaves import Autosave
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.domain.posts.post_lists import DeletedPost
from blog.domain.read_models import first_steps
from blog.domain.read_models.first_steps import FirstStep
from blog.schemas.posts import PostStatus

_STATUSES = (PostStatus.DRAFT, PostStatus.SCHEDULED, PostStatus.PUBLISHED)


@dataclass(frozen=True, slots=True)
class DashboardView:
    """The first page of a writer's posts of each status, their autosaves, and the deleted posts that they can restore.

    first_steps: for owners of a blog in which some are open.
    """

    pages: Sequence[tuple[PostStatus, ResultPage[Post]]]
    unfinished: Sequence[Autosave]
    deleted: Sequence[DeletedPost]
    first_steps: Sequence[FirstStep]


async def read(ctx: Context) -> DashboardView:
    """Return the dashboard of the actor. Raises NotAuthenticated, Forbidden."""
    policy.require_writer(ctx)
    filters = {status: own_posts(ctx, status) for status in _STATUSES}
    queries = [post_lists.page_queries(ctx, each) for each in filters.values()]
    for_owner = [first_steps.QUERY()] if policy.is_owner(ctx.actor) else []
    others = [autosaves.recent_query(ctx), post_lists.deleted_query(ctx), *for_owner]
    rows = iter(await ctx.db.fetch_many_consistent(*chain(*queries), *others))
    pages = [
        (status, post_lists.page_from_rows(each, *islice(rows, len(of_page))))
        for (status, each), of_page in zip(filters.items(), queries, strict=True)
    ]
    unfinished, deleted, *of_owner = rows
    steps = first_steps.from_row(of_owner[0][0]) if of_owner else ()
    return DashboardView(pages, autosaves.from_rows(unfinished), post_lists.deleted_from_rows(deleted), steps)


def own_posts(ctx: Context, status: PostStatus, after: CursorKey | None = None) -> PostFilter:
    """Return the filter for the actor's posts with a status. Raises NotAuthenticated."""
    return PostFilter(author_id=ctx.require_actor().id, status=status, after=after)
