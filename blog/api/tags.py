"""Tags as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import events
from blog.domain.posts import tags
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import request_context
from blog.framework.response.json import list_response
from blog.schemas.posts import TagOut


class TagList(ApiEndpoint):
    """/api/v1/tags: the tags of published posts."""

    is_cacheable = True

    @operation("List tags", responses={200: list[TagOut]})
    async def get(self, request: Request) -> Response:
        """Return all tags as an array, sorted by name."""
        cache_until_event(request, events.POSTS)
        return list_response([TagOut.model_validate(tag) for tag in await tags.all_tags(request_context(request))])
