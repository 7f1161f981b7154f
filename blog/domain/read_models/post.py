"""Read model of a post page, read in one call to the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from blog.domain.comments import comments
from blog.domain.comments.models import Comment
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.core.models import CursorKey
from blog.domain.media import embedded_images
from blog.domain.media.embedded_images import EmbeddedImage
from blog.domain.posts import post_queries, posts, related_posts
from blog.domain.posts.models import Post
from blog.domain.posts.related_posts import RelatedPosts
from blog.text.normalisation import normalise_line

COMMENTS_PER_PAGE = 200
# Deeper replies are shown at the level of the comment they reply to: narrow screens and recursive templates have a limit.
MAX_REPLY_DEPTH = 3


@dataclass(frozen=True, slots=True)
class CommentThread:
    """A comment with its replies, oldest first."""

    comment: Comment
    replies: list["CommentThread"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PostView:
    """A post with its images, a page of comments (`next` is set if more follow), related posts, and the log position."""

    post: Post
    images: Mapping[str, EmbeddedImage]
    threads: Sequence[CommentThread]
    next: CursorKey | None
    related: RelatedPosts
    position: Position


async def read(ctx: Context, slug: str, after: CursorKey | None = None) -> PostView:
    """Return a post by its current or a former slug. Raises NotFound.

    Images, and parents of comments that are on an earlier page, are read later than the position in the log: a change in
    between is in the page, and live updates repeat it.
    """
    slug = normalise_line(slug)
    *post_rows, comment_rows, related_rows, end = await ctx.db.fetch_many_consistent(
        *post_queries.by_slug_queries(slug),
        comments.page_query(ctx, COMMENTS_PER_PAGE, after, slug=slug),
        related_posts.BY_SLUG(slug=slug),
        events.LATEST_POSITION(),
    )
    found = post_queries.posts_from_rows(*post_rows)
    if not found:  # a former slug
        return await read(ctx, (await posts.get_by_slug(ctx, slug)).slug, after)
    post = policy.require_visible(ctx, found[0])
    page = comments.page_from_rows(ctx, post, comment_rows, COMMENTS_PER_PAGE)
    threads = build_threads(await _with_parents(ctx, post, page.items))
    images = await embedded_images.find(ctx.db, post.html)
    related = related_posts.from_rows(post, related_rows)
    return PostView(post, images, threads, page.next, related, events.position_from_rows(end))


def build_threads(page: Iterable[Comment]) -> Sequence[CommentThread]:
    """Return comments as trees, each list oldest first, at most `MAX_REPLY_DEPTH` levels deep."""
    roots: list[CommentThread] = []
    levels: dict[int | None, tuple[list[CommentThread], int]] = {None: (roots, 0)}
    for comment in sorted(page, key=lambda item: item.id):
        siblings, depth = levels.get(comment.parent_id, (roots, 0))
        thread = CommentThread(comment)
        siblings.append(thread)
        levels[comment.id] = (thread.replies, depth + 1) if depth < MAX_REPLY_DEPTH else (siblings, depth)
    return roots


async def _with_parents(ctx: Context, post: Post, page: Sequence[Comment]) -> list[Comment]:
    """Add the parents of the comments, removed ones and those of earlier pages too, so that replies have their context."""
    known = {comment.id: comment for comment in page}
    for _ in range(MAX_REPLY_DEPTH):
        missing = {comment.parent_id for comment in known.values() if comment.parent_id is not None} - known.keys()
        if not missing:
            break
        known |= await comments.parents(ctx, post, sorted(missing))
    return list(known.values())
