"""Access rules: which actor may do what. Each rule is defined once."""

import datetime as dt
from collections.abc import Sequence
from typing import TypeVar

from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Author, CommentLike, PostLike
from blog.errors import Forbidden, NotFound, ReauthenticationRequired
from blog.schemas.accounts import Role, Scope
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus

P = TypeVar("P", bound=PostLike)
REAUTHENTICATION_WINDOW = dt.timedelta(minutes=10)
"""Time after entering the password in which a session may make sensitive changes."""


def is_recently_authenticated(ctx: Context, actor: Actor) -> bool:
    """Return whether the password was entered recently. Always true without a session (API tokens, commands)."""
    if actor.session is None:
        return True
    return actor.confirmed_at is not None and ctx.now - actor.confirmed_at <= REAUTHENTICATION_WINDOW


def require_recent_authentication(ctx: Context, actor: Actor) -> None:
    """Raise ReauthenticationRequired unless the password was entered recently."""
    if not is_recently_authenticated(ctx, actor):
        raise ReauthenticationRequired("Please confirm your password to make changes")


def can_write_posts(actor: Actor | None) -> bool:
    """Return whether the actor may write posts."""
    return actor is not None and actor.has_role(Role.AUTHOR)


def can_edit(actor: Actor | None, post: PostLike) -> bool:
    """Return whether the actor may change the post: one of its authors, or an editor."""
    if actor is None or not can_write_posts(actor):
        return False
    return actor.has_role(Role.EDITOR) or is_among(actor, post.authors)


def is_among(actor: Actor | None, authors: Sequence[Author]) -> bool:
    """Return whether the actor is one of these authors."""
    return actor is not None and any(author.id == actor.id for author in authors)


def can_name_authors(actor: Actor, authors: Sequence[Author]) -> bool:
    """Return whether the actor may name these authors of a post that the actor may change: an editor, or one of them."""
    return actor.has_role(Role.EDITOR) or is_among(actor, authors)


def can_leave(actor: Actor | None, post: PostLike) -> bool:
    """Return whether the actor may stop being an author of the post: one of several authors."""
    return len(post.authors) > 1 and can_write_posts(actor) and is_among(actor, post.authors)


def can_edit_all(actor: Actor | None) -> bool:
    """Return whether the actor may change and see all posts: an editor."""
    return actor is not None and actor.has_role(Role.EDITOR)


def can_see(actor: Actor | None, post: PostLike) -> bool:
    """Return whether the actor may read the post: it is published, or the actor may edit it."""
    return post.status is PostStatus.PUBLISHED or can_edit(actor, post)


def counts_as_view(actor: Actor | None, post: PostLike) -> bool:
    """Return whether to count this view: the post is published and the viewer is not one of its authors."""
    return post.status is PostStatus.PUBLISHED and not is_among(actor, post.authors)


def can_moderate(actor: Actor | None, post: PostLike) -> bool:
    """Return whether the actor may moderate the comments of the post: one of its authors, or an editor."""
    return can_edit(actor, post)


def can_moderate_all(actor: Actor | None) -> bool:
    """Return whether the actor may moderate all comments: an editor."""
    return actor is not None and actor.has_role(Role.EDITOR)


def require_editor(ctx: Context) -> Actor:
    """Return the actor if they are an editor. Raises NotAuthenticated or Forbidden."""
    actor = ctx.require_actor()
    if not can_moderate_all(actor):
        raise Forbidden("Only editors can do this.")
    return actor


def require_featuring(ctx: Context) -> None:
    """Raise NotAuthenticated, or Forbidden if the actor is not an editor and may not feature posts."""
    if not can_moderate_all(ctx.require_actor(Scope.POSTS_WRITE)):
        raise Forbidden("Only editors can change which posts are featured")


def can_see_comment(actor: Actor | None, comment: CommentLike, post: PostLike) -> bool:
    """Return whether the actor may read the comment: removed ones only moderators, pending ones also their author."""
    match comment.status:
        case CommentStatus.VISIBLE:
            return True
        case CommentStatus.PENDING if actor is not None and actor.username == comment.author:
            return True
        case _:
            return can_moderate(actor, post)


def comment_edit_cutoff(ctx: Context) -> dt.datetime:
    """Return the time after which a comment must have been created to be editable by its author."""
    return ctx.now - _edit_window(ctx)


def comment_edit_deadline(ctx: Context, comment: CommentLike) -> dt.datetime:
    """Return the time until which the author may edit the comment."""
    return comment.created_at + _edit_window(ctx)


def comments_have_closed(ctx: Context, published_at: dt.datetime | None) -> bool:
    """Return whether a post is so old that it accepts no comments any more (the preference `close_comments_days`)."""
    days = ctx.site.runtime_settings.preferences.close_comments_days
    return days > 0 and published_at is not None and ctx.now - published_at > dt.timedelta(days=days)


def _edit_window(ctx: Context) -> dt.timedelta:
    return dt.timedelta(minutes=ctx.site.runtime_settings.preferences.comment_edit_minutes)


def require_comment_edit(ctx: Context, comment: CommentLike) -> None:
    """Raise NotAuthenticated, or Forbidden if the actor is not the author or the time for editing is over."""
    if comment.author != ctx.require_actor(Scope.COMMENTS_WRITE).username:
        raise Forbidden("Only its author can change the text of a comment")
    if comment.created_at > comment_edit_cutoff(ctx):
        return
    until = comment_edit_deadline(ctx, comment)
    if until == comment.created_at:
        raise Forbidden("Comments cannot be edited on this blog")
    raise Forbidden(f"This comment could be edited until {ctx.site.formats.moment(until)}. You can still remove it.")


def require_comment_removal(ctx: Context, comment: CommentLike, post: PostLike) -> None:
    """Raise NotAuthenticated, or Forbidden if the actor is neither the author of the comment nor a moderator of the post."""
    actor = ctx.require_actor(Scope.COMMENTS_WRITE)
    if comment.author != actor.username and not can_moderate(actor, post):
        raise Forbidden("Only its author and moderators can remove this comment")


def require_writer(ctx: Context) -> Actor:
    """Return the actor if they may write posts. Raises NotAuthenticated or Forbidden."""
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    if not can_write_posts(actor):
        raise Forbidden("Readers cannot write posts. Ask the owner of the blog for the author role.")
    return actor


def can_see_unpublished_account(actor: Actor | None, user_id: int) -> bool:
    """Return whether the actor sees an account that has published nothing: its user, or an owner."""
    return actor is not None and (actor.id == user_id or is_owner(actor))


def can_see_role(actor: Actor | None, user_id: int) -> bool:
    """Return whether the actor sees the role of an account: its user, or an editor."""
    return actor is not None and (actor.id == user_id or actor.has_role(Role.EDITOR))


def is_owner(actor: Actor | None) -> bool:
    """Return whether the actor is an owner, with rights over users, feature flags and settings."""
    return actor is not None and actor.has_role(Role.OWNER)


def require_owner(ctx: Context) -> Actor:
    """Return the actor if they are an owner. Raises NotAuthenticated or Forbidden."""
    actor = ctx.require_actor(Scope.ADMIN)
    if not is_owner(actor):
        raise Forbidden("Only owners can do this.")
    return actor


def require_visible(ctx: Context, post: P | None) -> P:
    """Return the post if the actor may see it. Raises NotFound, so that the existence of a draft is not revealed."""
    if post is None or not can_see(ctx.actor, post):
        raise NotFound("This post does not exist")
    return post


def require_edit(ctx: Context, post: P | None) -> P:
    """Return the post if the actor may change it. Raises NotAuthenticated, NotFound or Forbidden."""
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    visible = require_visible(ctx, post)
    if not can_edit(actor, visible):
        raise Forbidden("Only its authors and editors can change this post")
    return visible


def require_undelete(ctx: Context, post: P | None) -> P:
    """Return the deleted post if the actor may restore it. Raises NotAuthenticated or NotFound."""
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    if post is None or not can_edit(actor, post):
        raise NotFound("This deleted post does not exist")
    return post
