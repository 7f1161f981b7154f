"""The versions of a post in the JSON API."""

from starlette.requests import Request
from starlette.responses import Response

from blog.api.posts import post_response
from blog.domain.posts import revisions
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_query
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.framework.response.conditional import if_match_versions
from blog.framework.response.json import json_response, page_response
from blog.framework.response.serializers import revision_out
from blog.schemas.accounts import Scope
from blog.schemas.lists import PageQuery, RevisionListOut
from blog.schemas.posts import PostOut, RevisionOut


class RevisionList(ApiEndpoint):
    """/api/v1/posts/{id}/revisions: the versions, newest first."""

    @operation(
        "List the versions of a post",
        query=PageQuery,
        responses={200: RevisionListOut},
        scope=Scope.POSTS_WRITE,
        response_headers={"Link"},
    )
    async def get(self, request: Request) -> Response:
        """Return a page of versions."""
        ctx = require_user(request)
        query = read_query(request, PageQuery)
        page = await revisions.list_page(
            ctx, request.path_params["id"], limit=query.limit, after=pagination.decode_cursor(query.cursor)
        )
        urls = app_state(request).urls
        return page_response(request, [revision_out(item, urls) for item in page.items], page.next)


class RevisionDetail(ApiEndpoint):
    """/api/v1/posts/{id}/revisions/{version}: one version."""

    @operation("Read a version of a post", responses={200: RevisionOut}, scope=Scope.POSTS_WRITE)
    async def get(self, request: Request) -> Response:
        """Return the version."""
        ctx = require_user(request)
        revision = await revisions.get(ctx, request.path_params["id"], request.path_params["version"])
        return json_response(revision_out(revision, app_state(request).urls))


class RevisionRestore(ApiEndpoint):
    """/api/v1/posts/{id}/revisions/{version}/restore: restore an old version."""

    @operation(
        "Restore a version of a post",
        responses={200: PostOut},
        errors={412},
        scope=Scope.POSTS_WRITE,
        response_headers={"ETag", "Last-Modified"},
    )
    async def post(self, request: Request) -> Response:
        """Restore the version and return the post.

        The authors stay as they are if an author of the version was deleted or can no longer write posts, or if you would no
        longer be an author: compare `authors` with that of the version.
        """
        ctx = require_user(request)
        id_, version = request.path_params["id"], request.path_params["version"]
        restored = await revisions.restore(ctx, id_, version, if_match=if_match_versions(request))
        return post_response(request, restored.post)
