"""Who may do what, each rule once."""

import datetime as dt
from typing import TypeVar

from blog.domain.core.context import Actor, Context
from blog.domain.core.models import CommentLike, PostLike
from blog.errors import Forbidden, NotFound, ReauthenticationRequired
from blog.schemas.accounts import Role, Scope
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus

P = TypeVar("P", bound=PostLike)
REAUTHENTICATION_WINDOW = dt.timedelta(minutes=10)
"""How long a password that was given in a session allows what a stranger at an open browser must not do."""


def is_recently_authenticated(ctx: Context, actor: Actor) -> bool:
    """Did this person give the password a moment ago? Who has no session, such as a token or a command, is not asked."""
    if actor.session is None:
        return True
    return actor.confirmed_at is not None and ctx.now - actor.confirmed_at <= REAUTHENTICATION_WINDOW


def require_recent_authentication(ctx: Context, actor: Actor) -> None:
    """Raises ConfirmationNeeded."""
    if not is_recently_authenticated(ctx, actor):
        raise ReauthenticationRequired("Give your password first: it was some time ago that you signed in")


def can_write_posts(actor: Actor | None) -> bool:
    """May this person write posts at all?"""
    return actor is not None and actor.has_role(Role.AUTHOR)


def can_edit(actor: Actor | None, post: PostLike) -> bool:
    """Its authors and every editor may change a post."""
    if actor is None or not can_write_posts(actor):
        return False
    return actor.has_role(Role.EDITOR) or actor.username in post.authors


def can_see(actor: Actor | None, post: PostLike) -> bool:
    """Published posts are everybody's, others their writers'."""
    return post.status is PostStatus.PUBLISHED or can_edit(actor, post)


def counts_as_view(actor: Actor | None, post: PostLike) -> bool:
    """Is it a view that its authors would count? Of a published post, by somebody who did not write it."""
    return post.status is PostStatus.PUBLISHED and (actor is None or actor.username not in post.authors)


def can_moderate(actor: Actor | None, post: PostLike) -> bool:
    """The authors of a post and every editor moderate its comments."""
    return can_edit(actor, post)


def can_moderate_all(actor: Actor | None) -> bool:
    """Editors moderate the comments on every post."""
    return actor is not None and actor.has_role(Role.EDITOR)


def require_editor(ctx: Context) -> Actor:
    """The actor, if they are an editor. Raises NotSignedIn or Forbidden."""
    actor = ctx.require_actor()
    if not can_moderate_all(actor):
        raise Forbidden("Only editors may do this")
    return actor


def can_see_comment(actor: Actor | None, comment: CommentLike, post: PostLike) -> bool:
    """A removed comment is seen by its moderators alone, one that waits for them by its writer too."""
    match comment.status:
        case CommentStatus.VISIBLE:
            return True
        case CommentStatus.PENDING if actor is not None and actor.username == comment.author:
            return True
        case _:
            return can_moderate(actor, post)


def comment_edit_cutoff(ctx: Context) -> dt.datetime:
    """The text of a comment that was written after this instant may be changed by its writer."""
    return ctx.now - _edit_window(ctx)


def comment_edit_deadline(ctx: Context, comment: CommentLike) -> dt.datetime:
    """The end of the time in which its writer may change a comment."""
    return comment.created_at + _edit_window(ctx)


def _edit_window(ctx: Context) -> dt.timedelta:
    return dt.timedelta(minutes=ctx.site.runtime_settings.preferences.comment_edit_minutes)


def require_comment_edit(ctx: Context, comment: CommentLike) -> None:
    """Raises NotSignedIn, and Forbidden for everybody but the writer, and when it is too late."""
    if comment.author != ctx.require_actor(Scope.COMMENTS_WRITE).username:
        raise Forbidden("Only its author can change the text of a comment")
    if comment.created_at > comment_edit_cutoff(ctx):
        return
    until = comment_edit_deadline(ctx, comment)
    if until == comment.created_at:
        raise Forbidden("On this blog a comment cannot be changed once it is written")
    raise Forbidden(f"This comment could be changed until {until:%Y-%m-%d, %H:%M} UTC; you can still remove it")


def require_writer(ctx: Context) -> Actor:
    """The actor, if they may write posts. Raises NotSignedIn or Forbidden."""
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    if not can_write_posts(actor):
        raise Forbidden("Readers cannot write posts: ask the owner of the blog for the role of an author")
    return actor


def is_owner(actor: Actor | None) -> bool:
    """Owners decide about people, flags and settings."""
    return actor is not None and actor.has_role(Role.OWNER)


def require_owner(ctx: Context) -> Actor:
    """The actor, if they own the blog. Raises NotSignedIn or Forbidden."""
    actor = ctx.require_actor(Scope.ADMIN)
    if not is_owner(actor):
        raise Forbidden("Only owners may do this")
    return actor


def require_visible(ctx: Context, post: P | None) -> P:
    """The post, if the actor may know of it. Raises NotFound: a stranger does not learn that a draft exists."""
    if post is None or not can_see(ctx.actor, post):
        raise NotFound("There is no such post")
    return post


def require_edit(ctx: Context, post: P | None) -> P:
    """The post, if the actor may change it. Raises NotSignedIn, NotFound or Forbidden."""
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    seen = require_visible(ctx, post)
    if not can_edit(actor, seen):
        raise Forbidden("Only its authors and editors can change this post")
    return seen


def require_undelete(ctx: Context, post: P | None) -> P:
    """The deleted post, if the actor may bring it back. Raises NotSignedIn or NotFound: to others it is gone."""
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    if post is None or not can_edit(actor, post):
        raise NotFound("There is no such post among those that were deleted")
    return post
