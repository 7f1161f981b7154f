"""Presence of other editors on the edit form."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts import posts, presence
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.framework.request.forms import read_form
from blog.framework.response.json import json_response
from blog.schemas.presence import PresenceOut


class PostPresence(Endpoint):
    """/posts/{slug}/presence: heartbeat of an open edit form, sent every 15 s and when the form is closed."""

    async def post(self, request: Request) -> Response:
        """Return the other editors and the current version. With `left`, end the presence: 204. Raises NotFound, Forbidden."""
        ctx = require_user(request)
        form = await read_form(request)
        post = await posts.get_by_slug(ctx, request.path_params["slug"])
        if form.value("left"):
            await presence.leave(ctx, post.id)
            return Response(status_code=204)
        found = await presence.touch(ctx, post.id)
        return json_response(PresenceOut(others=[other.name for other in found.others], version=found.version))
