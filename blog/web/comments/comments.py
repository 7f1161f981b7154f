"""Writing, editing, removing and restoring comments."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import comments, guest_comments
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.read_models import post
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.comments import CommentChanges, Decision, NewComment
from blog.web.posts.reading import post_values
from blog.web.rendering import spam_trap
from blog.web.rendering.form_page import FormEndpoint, FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

M = TypeVar("M", bound=BaseModel)


class CommentList(FormEndpoint[NewComment]):
    """/posts/{slug}/comments: the comment form of a post."""

    template, model, requires_user, keeps_text = "posts/post.html", NewComment, False, True

    async def load(self) -> None:
        """Load the post. Raises NotFound."""
        self.view = await post.read(self.ctx, self.request.path_params["slug"])

    def parse(self) -> NewComment | None:
        return spam_trap.parse_comment(self.form)

    async def context(self) -> Mapping[str, Any]:
        values = post_values(self.request, self.ctx, self.view, self.form)
        del values["form"]
        page = app_state(self.request).urls.path("web:post", slug=self.view.post.slug)
        return {**values, "return_path": f"{page}#comments"}

    async def submit(self, data: NewComment) -> Response:
        """Create the comment."""
        return await _create_once(self, self.view.post, data)


class _CommentFormPage(FormPage[M]):
    """A form about one comment. If the session has expired, the response has the typed text, with 401."""

    requires_user, keeps_text = False, True

    async def get(self, request: Request) -> Response:
        """Show the form. Raises NotAuthenticated."""
        require_user(request)
        return await super().get(request)

    async def load(self) -> None:
        """Load the comment and its post. Raises NotFound."""
        self.comment, self.commented_post = await _load_comment(self.ctx, self.request)


class ReplyPage(_CommentFormPage[NewComment]):
    """/comments/{id}/reply: reply to a comment."""

    template, model = "comments/reply.html", NewComment

    async def get(self, request: Request) -> Response:
        """Show the form; guests get theirs, if they can comment. Raises NotAuthenticated."""
        ctx = request_context(request)
        if ctx.actor is None and guest_comments.are_allowed(ctx):
            comment, commented_post = await _load_comment(ctx, request)
            return redirect_after_post(request, "web:guest_comment", query={"reply": str(comment.id)}, slug=commented_post.slug)
        return await super().get(request)

    def initial_form(self) -> Form:
        """Return an empty form. Raises Forbidden if the post is closed for comments."""
        comments.require_comments_open(self.ctx, self.commented_post)
        return Form()

    def parse(self) -> NewComment | None:
        return spam_trap.parse_comment(self.form, parent_id=self.comment.id)

    async def context(self) -> Mapping[str, Any]:
        token = spam_trap.timestamp_token(self.ctx, self.form)
        return {"comment": self.comment, "post": self.commented_post, "timestamp_token": token}

    async def submit(self, data: NewComment) -> Response:
        """Create the reply."""
        return await _create_once(self, self.commented_post, data)


class CommentEditPage(_CommentFormPage[CommentChanges]):
    """/comments/{id}/edit: edit the user's own comment."""

    template, model = "comments/edit.html", CommentChanges

    def initial_form(self) -> Form:
        """Return the current text. Raises Forbidden if the user may not edit the comment."""
        policy.require_comment_edit(self.ctx, self.comment)
        return Form({"content": self.comment.content})

    def parse(self) -> CommentChanges | None:
        return self.form.parse(CommentChanges, status=None)

    async def context(self) -> Mapping[str, Any]:
        deadline = policy.comment_edit_deadline(self.ctx, self.comment)
        return {"comment": self.comment, "post": self.commented_post, "until": deadline}

    async def submit(self, data: CommentChanges) -> Response:
        """Save the text."""
        await comments.edit(self.ctx, self.comment.id, data)
        return _redirect_to_comment(self.request, self.commented_post, self.comment)


class CommentRemovalPage(Endpoint):
    """/comments/{id}/remove: hide the text of a comment."""

    async def get(self, request: Request) -> Response:
        """Ask for confirmation. Raises Forbidden if the user may not remove the comment."""
        ctx = require_user(request)
        comment, commented_post = await _load_comment(ctx, request)
        policy.require_comment_removal(ctx, comment, commented_post)
        return render_page(request, "comments/remove.html", comment=comment, post=commented_post)

    async def post(self, request: Request) -> Response:
        """Remove the comment."""
        ctx = require_user(request)
        comment, commented_post = await _load_comment(ctx, request)
        await comments.remove(ctx, comment.id)
        return redirect_after_post(request, "web:post", slug=commented_post.slug, fragment="comments")


class CommentRestore(Endpoint):
    """/comments/{id}/restore: publish a comment that is pending or was removed."""

    async def post(self, request: Request) -> Response:
        """Publish the comment. Raises Forbidden if the user may not moderate it."""
        ctx = require_user(request)
        comment, commented_post = await _load_comment(ctx, request)
        await comments.edit(ctx, comment.id, CommentChanges(status=Decision.VISIBLE))
        return _redirect_to_comment(request, commented_post, comment)


async def _create_once(endpoint: FormEndpoint[NewComment], commented_post: Post, data: NewComment) -> Response:
    async def create() -> Response:
        reason = spam_trap.spam_reason(endpoint.ctx, endpoint.form)
        comment = await comments.create(endpoint.ctx, commented_post.id, data, spam_reason=reason)
        return _redirect_to_comment(endpoint.request, commented_post, comment)

    return await run_once(endpoint.request, endpoint.ctx, endpoint.form, create)


async def _load_comment(ctx: Context, request: Request) -> tuple[Comment, Post]:
    comment = await comments.get(ctx, request.path_params["id"])
    return comment, await posts.get(ctx, comment.post_id)


def _redirect_to_comment(request: Request, commented_post: Post, comment: Comment) -> Response:
    return redirect_after_post(request, "web:post", slug=commented_post.slug, fragment=f"comment-{comment.id}")
