"""The button with which an author leaves a post."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts import posts
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.schemas.posts import PostStatus
from blog.web.rendering.redirects import redirect_after_post


class PostLeave(Endpoint):
    """/posts/{slug}/leave: the current user as an author of the post."""

    async def post(self, request: Request) -> Response:
        """Remove the user from the authors, then redirect to the post, or to the dashboard if it is not public.

        Raises NotAuthenticated, NotFound, Forbidden, Conflict.
        """
        ctx = request_context(request)
        post = await posts.leave(ctx, (await posts.get_by_slug(ctx, request.path_params["slug"])).id)
        if post.status is PostStatus.PUBLISHED:
            return redirect_after_post(request, "web:post", slug=post.slug)
        return redirect_after_post(request, "web:dashboard")
