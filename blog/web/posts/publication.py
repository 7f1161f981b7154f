"""Publish, unpublish and undelete posts by a button, without the edit form."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts import posts
from blog.errors import InvalidInput
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.schemas.posts import PostChanges
from blog.web.posts.loading import load_editable_post
from blog.web.rendering.redirects import redirect_after_post


class PostStatusChange(Endpoint):
    """/posts/{slug}/status: the status of a post."""

    async def post(self, request: Request) -> Response:
        """Publish or unpublish the post, then redirect to the page of the button. Raises InvalidInput."""
        ctx = request_context(request)
        form = await read_form(request)
        post = await load_editable_post(ctx, request)
        changes = Form({"status": form.value("status")}).parse(PostChanges)
        if changes is None:
            raise InvalidInput((), "Not a valid status. Go back and use the buttons.")
        after = await posts.edit(ctx, post.id, changes)
        if form.value("back") == "dashboard":
            return redirect_after_post(request, "web:dashboard", fragment=f"posts-{after.status.value}")
        return redirect_after_post(request, "web:post", slug=after.slug)


class PostUndelete(Endpoint):
    """/posts/{id}/undelete: restore a deleted post."""

    async def post(self, request: Request) -> Response:
        """Restore the post and redirect to it. Raises NotAuthenticated, NotFound."""
        post = await posts.undelete(request_context(request), request.path_params["id"])
        return redirect_after_post(request, "web:post", slug=post.slug)
