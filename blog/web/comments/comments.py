"""Writing, changing and removing comments."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import comments
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.read_models import post
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.schemas.comments import CommentChanges, Decision
from blog.web.posts.reading import post_values
from blog.web.rendering import spam_trap
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post


class CommentList(Endpoint):
    """/posts/{slug}/comments — a new comment on a post."""

    async def post(self, request: Request) -> Response:
        """Write it; back to the post, where it stands."""
        ctx = request_context(request)
        form = await read_form(request)
        view = await post.read(ctx, request.path_params["slug"])
        values = post_values(request, ctx, view, form)
        del values["form"]
        new = spam_trap.parse_comment(form)
        if new is None:
            return render_invalid(request, "posts/post.html", form, **values)
        try:
            comment = await comments.create(ctx, view.post.id, new, spam_reason=spam_trap.spam_reason(ctx, form))
        except BlogError as error:
            return render_error(request, "posts/post.html", form, error, **values)
        return _redirect_to_comment(request, view.post, comment)


class ReplyPage(Endpoint):
    """/comments/{id}/reply — answer a comment."""

    async def get(self, request: Request) -> Response:
        """The comment and an empty form."""
        ctx = require_user(request)
        comment, post = await _load_comment(ctx, request)
        comments.require_comments_open(ctx, post)
        form = Form()
        return render_page(
            request, "comments/reply.html", form=form, comment=comment, post=post, form_mark=spam_trap.timestamp_token(ctx, form)
        )

    async def post(self, request: Request) -> Response:
        """Write the answer; back to the post."""
        ctx = request_context(request)
        form = await read_form(request)
        comment, post = await _load_comment(ctx, request)
        values = {"comment": comment, "post": post, "form_mark": spam_trap.timestamp_token(ctx, form)}
        new = spam_trap.parse_comment(form, parent_id=comment.id)
        if new is None:
            return render_invalid(request, "comments/reply.html", form, **values)
        try:
            reply = await comments.create(ctx, post.id, new, spam_reason=spam_trap.spam_reason(ctx, form))
        except BlogError as error:
            return render_error(request, "comments/reply.html", form, error, **values)
        return _redirect_to_comment(request, post, reply)


class CommentEditPage(Endpoint):
    """/comments/{id}/edit — change one's own comment."""

    async def get(self, request: Request) -> Response:
        """The form with the present text."""
        ctx = require_user(request)
        comment, post = await _load_comment(ctx, request)
        policy.require_comment_edit(ctx, comment)
        values = _edit_values(ctx, comment, post)
        return render_page(request, "comments/edit.html", form=Form({"content": comment.content}), **values)

    async def post(self, request: Request) -> Response:
        """Save it; back to the post."""
        ctx = request_context(request)
        form = await read_form(request)
        comment, post = await _load_comment(ctx, request)
        changes = form.parse(CommentChanges, status=None)
        if changes is None:
            return render_invalid(request, "comments/edit.html", form, **_edit_values(ctx, comment, post))
        try:
            await comments.edit(ctx, comment.id, changes)
        except BlogError as error:
            return render_error(request, "comments/edit.html", form, error, **_edit_values(ctx, comment, post))
        return _redirect_to_comment(request, post, comment)


class CommentRemovalPage(Endpoint):
    """/comments/{id}/remove — take a comment from sight."""

    async def get(self, request: Request) -> Response:
        """Ask once more."""
        comment, post = await _load_comment(require_user(request), request)
        return render_page(request, "comments/remove.html", comment=comment, post=post)

    async def post(self, request: Request) -> Response:
        """Remove it; back to the post."""
        ctx = require_user(request)
        comment, post = await _load_comment(ctx, request)
        await comments.remove(ctx, comment.id)
        return redirect_after_post(request, "web:post", slug=post.slug, fragment="comments")


class CommentRestore(Endpoint):
    """/comments/{id}/restore — let everybody see a comment that waits or was removed."""

    async def post(self, request: Request) -> Response:
        """For those who may moderate it; back to the post."""
        ctx = require_user(request)
        comment, post = await _load_comment(ctx, request)
        await comments.edit(ctx, comment.id, CommentChanges(status=Decision.VISIBLE))
        return _redirect_to_comment(request, post, comment)


async def _load_comment(ctx: Context, request: Request) -> tuple[Comment, Post]:
    """The comment that the address names, and its post. Raises NotFound."""
    comment = await comments.get(ctx, request.path_params["id"])
    return comment, await posts.get(ctx, comment.post_id)


def _edit_values(ctx: Context, comment: Comment, post: Post) -> dict[str, Any]:
    return {"comment": comment, "post": post, "until": policy.comment_edit_deadline(ctx, comment)}


def _redirect_to_comment(request: Request, post: Post, comment: Comment) -> Response:
    return redirect_after_post(request, "web:post", slug=post.slug, fragment=f"comment-{comment.id}")
