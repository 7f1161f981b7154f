"""Tags as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import events
from blog.domain.posts import tag_changes, tags
from blog.domain.posts.models import Tag
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import read_json
from blog.framework.request.state import app_state
from blog.framework.response.json import json_response, list_response
from blog.framework.response.serializers import tag_out
from blog.schemas.accounts import Scope
from blog.schemas.tags import TagChanges, TagMerge, TagOut


class TagList(ApiEndpoint):
    """/api/v1/tags: the tags of published posts."""

    is_cacheable = True

    @operation("List tags", responses={200: list[TagOut]})
    async def get(self, request: Request) -> Response:
        """Return all tags as an array, sorted by name."""
        cache_until_event(request, events.POSTS)
        urls = app_state(request).urls
        return list_response([tag_out(tag, urls) for tag in await tags.all_tags(request_context(request))])


class TagDetail(ApiEndpoint):
    """/api/v1/tags/{slug}: one tag, by its slug, name or a former name."""

    is_cacheable = True

    @operation("Read a tag", responses={200: TagOut})
    async def get(self, request: Request) -> Response:
        """Return the tag. 404 unless a published post has it: tags of drafts are not public."""
        cache_until_event(request, events.POSTS)
        return _tag_response(request, await tags.with_count(request_context(request), request.path_params["slug"]))

    @operation("Change a tag", body=TagChanges, responses={200: TagOut}, errors={409}, scope=Scope.POSTS_WRITE)
    async def patch(self, request: Request) -> Response:
        """Rename or describe the tag. Posts have the new name at once; former names and slugs lead to the tag."""
        ctx = require_user(request)
        changes = await read_json(request, TagChanges)
        return _tag_response(request, await tag_changes.change(ctx, request.path_params["slug"], changes))

    @operation("Delete a tag", responses={204: None}, scope=Scope.POSTS_WRITE)
    async def delete(self, request: Request) -> Response:
        """Remove the tag from all posts. Returns 204."""
        await tag_changes.delete(require_user(request), request.path_params["slug"])
        return Response(status_code=204)


class TagMerging(ApiEndpoint):
    """/api/v1/tags/{slug}/merge: merge a tag into another one."""

    @operation("Merge a tag into another", body=TagMerge, responses={200: TagOut}, scope=Scope.POSTS_WRITE)
    async def post(self, request: Request) -> Response:
        """Give the posts of this tag the other one, and return that. This tag's names lead to it from then on."""
        ctx = require_user(request)
        merge = await read_json(request, TagMerge)
        return _tag_response(request, await tag_changes.merge(ctx, request.path_params["slug"], merge.into))


def _tag_response(request: Request, tag: Tag) -> Response:
    return json_response(tag_out(tag, app_state(request).urls))
