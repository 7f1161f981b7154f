"""Writing, changing and removing comments."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import comments
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import Comment, Post
from blog.domain.posts import posts
from blog.domain.read_models import post
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.schemas.comments import CommentChanges, Decision
from blog.web.posts.reading import post_values
from blog.web.rendering import spam_trap
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import see_other


class CommentList(Endpoint):
    """/posts/{slug}/comments — a new comment on a post."""

    async def post(self, request: Request) -> Response:
        """Write it; back to the post, where it stands."""
        ctx = context(request)
        form = await read_form(request)
        view = await post.read(ctx, request.path_params["slug"])
        values = post_values(request, ctx, view, form)
        del values["form"]
        new = spam_trap.typed(form)
        if new is None:
            return invalid(request, "reading/post.html", form, **values)
        try:
            comment = await comments.create(ctx, view.post.id, new, doubt=spam_trap.doubt(ctx, form))
        except BlogError as error:
            return refused(request, "reading/post.html", form, error, **values)
        return _shown(request, view.post, comment)


class ReplyPage(Endpoint):
    """/comments/{id}/reply — answer a comment."""

    async def get(self, request: Request) -> Response:
        """The comment and an empty form."""
        ctx = signed_in(request)
        comment, post = await _found(ctx, request)
        comments.require_open(ctx, post)
        form = Form()
        return page(request, "comments/reply.html", form=form, comment=comment, post=post, form_mark=spam_trap.mark(ctx, form))

    async def post(self, request: Request) -> Response:
        """Write the answer; back to the post."""
        ctx = context(request)
        form = await read_form(request)
        comment, post = await _found(ctx, request)
        values = {"comment": comment, "post": post, "form_mark": spam_trap.mark(ctx, form)}
        new = spam_trap.typed(form, parent_id=comment.id)
        if new is None:
            return invalid(request, "comments/reply.html", form, **values)
        try:
            reply = await comments.create(ctx, post.id, new, doubt=spam_trap.doubt(ctx, form))
        except BlogError as error:
            return refused(request, "comments/reply.html", form, error, **values)
        return _shown(request, post, reply)


class CommentEditPage(Endpoint):
    """/comments/{id}/edit — change one's own comment."""

    async def get(self, request: Request) -> Response:
        """The form with the present text."""
        ctx = signed_in(request)
        comment, post = await _found(ctx, request)
        policy.require_text_change(ctx, comment)
        values = _editing(ctx, comment, post)
        return page(request, "comments/edit.html", form=Form({"content": comment.content}), **values)

    async def post(self, request: Request) -> Response:
        """Save it; back to the post."""
        ctx = context(request)
        form = await read_form(request)
        comment, post = await _found(ctx, request)
        changes = form.parse(CommentChanges, status=None)
        if changes is None:
            return invalid(request, "comments/edit.html", form, **_editing(ctx, comment, post))
        try:
            await comments.edit(ctx, comment.id, changes)
        except BlogError as error:
            return refused(request, "comments/edit.html", form, error, **_editing(ctx, comment, post))
        return _shown(request, post, comment)


class CommentRemovalPage(Endpoint):
    """/comments/{id}/remove — take a comment from sight."""

    async def get(self, request: Request) -> Response:
        """Ask once more."""
        comment, post = await _found(signed_in(request), request)
        return page(request, "comments/remove.html", comment=comment, post=post)

    async def post(self, request: Request) -> Response:
        """Remove it; back to the post."""
        ctx = signed_in(request)
        comment, post = await _found(ctx, request)
        await comments.remove(ctx, comment.id)
        return see_other(request, "web:post", slug=post.slug, fragment="comments")


class CommentRestoration(Endpoint):
    """/comments/{id}/restore — let everybody see a comment that waits or was removed."""

    async def post(self, request: Request) -> Response:
        """For those who may moderate it; back to the post."""
        ctx = signed_in(request)
        comment, post = await _found(ctx, request)
        await comments.edit(ctx, comment.id, CommentChanges(status=Decision.VISIBLE))
        return _shown(request, post, comment)


async def _found(ctx: Context, request: Request) -> tuple[Comment, Post]:
    """The comment that the address names, and its post. Raises NotFound."""
    comment = await comments.get(ctx, request.path_params["id"])
    return comment, await posts.get(ctx, comment.post_id)


def _editing(ctx: Context, comment: Comment, post: Post) -> dict[str, Any]:
    return {"comment": comment, "post": post, "until": policy.editable_until(ctx, comment)}


def _shown(request: Request, post: Post, comment: Comment) -> Response:
    return see_other(request, "web:post", slug=post.slug, fragment=f"comment-{comment.id}")
