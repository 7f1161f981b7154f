"""The post of a URL, for the pages of its authors."""

from starlette.requests import Request

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post


async def load_editable_post(ctx: Context, request: Request) -> Post:
    """Return the post of the URL. Raises NotAuthenticated, NotFound, Forbidden if the user cannot edit it."""
    ctx.require_actor()  # first, so that anonymous users are sent to sign in; for them a draft would be "not found"
    return policy.require_edit(ctx, await posts.get_by_slug(ctx, request.path_params["slug"]))
