"""Who may do what, each rule once."""

from blog.domain.context import Actor, Context
from blog.domain.models import Comment, Post
from blog.errors import Forbidden, NotFound
from blog.schemas.accounts import Role, Scope
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus


def may_write_posts(actor: Actor | None) -> bool:
    """May this person write posts at all?"""
    return actor is not None and actor.has_role(Role.AUTHOR)


def may_edit(actor: Actor | None, post: Post) -> bool:
    """Its authors and every editor may change a post."""
    if actor is None or not may_write_posts(actor):
        return False
    return actor.has_role(Role.EDITOR) or actor.username in post.authors


def may_see(actor: Actor | None, post: Post) -> bool:
    """Published posts are everybody's, others their writers'."""
    return post.status is PostStatus.PUBLISHED or may_edit(actor, post)


def is_counted(actor: Actor | None, post: Post) -> bool:
    """Is it a view that its authors would count? Of a published post, by somebody who did not write it."""
    return post.status is PostStatus.PUBLISHED and (actor is None or actor.username not in post.authors)


def may_moderate(actor: Actor | None, post: Post) -> bool:
    """The authors of a post and every editor moderate its comments."""
    return may_edit(actor, post)


def may_see_comment(actor: Actor | None, comment: Comment, post: Post) -> bool:
    """A removed comment is seen by its moderators alone."""
    return comment.status is CommentStatus.VISIBLE or may_moderate(actor, post)


def require_writer(ctx: Context) -> Actor:
    """The actor, if they may write posts. Raises NotSignedIn or Forbidden."""
    actor = ctx.signed_in(Scope.POSTS_WRITE)
    if not may_write_posts(actor):
        raise Forbidden("Readers cannot write posts: ask the owner of the blog for the role of an author")
    return actor


def may_rule(actor: Actor | None) -> bool:
    """Owners decide about people, flags and settings."""
    return actor is not None and actor.has_role(Role.OWNER)


def require_owner(ctx: Context) -> Actor:
    """The actor, if they own the blog. Raises NotSignedIn or Forbidden."""
    actor = ctx.signed_in(Scope.ADMIN)
    if not may_rule(actor):
        raise Forbidden("Only owners may do this")
    return actor


def require_sight(ctx: Context, post: Post | None) -> Post:
    """The post, if the actor may know of it. Raises NotFound: a stranger does not learn that a draft exists."""
    if post is None or not may_see(ctx.actor, post):
        raise NotFound("There is no such post")
    return post


def require_edit(ctx: Context, post: Post | None) -> Post:
    """The post, if the actor may change it. Raises NotSignedIn, NotFound or Forbidden."""
    actor = ctx.signed_in(Scope.POSTS_WRITE)
    seen = require_sight(ctx, post)
    if not may_edit(actor, seen):
        raise Forbidden("Only its authors and editors can change this post")
    return seen
