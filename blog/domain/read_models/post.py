"""All that the page of one post shows, from one state of the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blog.domain.comments import comments
from blog.domain.comments.models import Comment
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.posts import posts, related_posts
from blog.domain.posts.models import Post
from blog.domain.posts.related_posts import RelatedPosts

COMMENTS_PER_PAGE = 200
# Deeper answers stand beside what they answer: a page can only be so narrow, and a recursive template only so deep.
MAX_REPLY_DEPTH = 3
CursorKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class CommentThread:
    """A comment with the answers to it, oldest first."""

    comment: Comment
    replies: list["CommentThread"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PostView:
    """A post, its comments (`next` is set when more follow), what stands near it, and the place in the event log of all this."""

    post: Post
    threads: Sequence[CommentThread]
    next: CursorKey | None
    related: RelatedPosts
    position: Position


async def read(ctx: Context, slug: str, after: CursorKey | None = None) -> PostView:
    """The post that has or had this slug, with its comments. Raises NotFound."""
    async with ctx.db.snapshot():
        post = await posts.get_by_slug(ctx, slug)
        page = await comments.list_page(ctx, post, limit=COMMENTS_PER_PAGE, after=after)
        threads = build_threads(await _with_parents(ctx, post, page.items))
        return PostView(post, threads, page.next, await related_posts.for_post(ctx.db, post), await events.position(ctx.db))


def build_threads(found: Iterable[Comment]) -> Sequence[CommentThread]:
    """The comments as trees, each list oldest first, at most `DEEPEST` levels below the first."""
    roots: list[CommentThread] = []
    answers: dict[int | None, tuple[list[CommentThread], int]] = {None: (roots, 0)}
    for comment in sorted(found, key=lambda item: item.id):
        siblings, depth = answers.get(comment.parent_id, (roots, 0))
        thread = CommentThread(comment)
        siblings.append(thread)
        answers[comment.id] = (thread.replies, depth + 1) if depth < MAX_REPLY_DEPTH else (siblings, depth)
    return roots


async def _with_parents(ctx: Context, post: Post, found: Sequence[Comment]) -> list[Comment]:
    """Also what these comments answer, removed or on an earlier page: an answer alone would stand there unexplained."""
    known = {comment.id: comment for comment in found}
    for _ in range(MAX_REPLY_DEPTH):
        missing = {comment.parent_id for comment in known.values() if comment.parent_id is not None} - known.keys()
        if not missing:
            break
        known |= await comments.parents(ctx, post, sorted(missing))
    return list(known.values())
