"""The versions of a post as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.api.posts import one_post
from blog.domain.posts import revisions
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import signed_in
from blog.framework.request.parsing import read_query
from blog.framework.response import pagination
from blog.framework.response.conditional import versions_in
from blog.framework.response.json import as_json, as_list
from blog.schemas.accounts import Scope
from blog.schemas.lists import PageQuery, RevisionListOut
from blog.schemas.posts import PostOut, RevisionOut


class RevisionList(ApiEndpoint):
    """/api/v1/posts/{id}/revisions — every version, newest first."""

    @operation(
        "Read the versions of a post",
        query=PageQuery,
        answers={200: RevisionListOut},
        scope=Scope.POSTS_WRITE,
        headers={"Link"},
    )
    async def get(self, request: Request) -> Response:
        """A page of versions."""
        ctx = signed_in(request)
        query = read_query(request, PageQuery)
        page = await revisions.page(ctx, request.path_params["id"], limit=query.limit, after=pagination.decode(query.cursor))
        return as_list(request, [RevisionOut.model_validate(item) for item in page.items], page.next)


class RevisionDetail(ApiEndpoint):
    """/api/v1/posts/{id}/revisions/{version} — one version."""

    @operation("Read a version of a post", answers={200: RevisionOut}, scope=Scope.POSTS_WRITE)
    async def get(self, request: Request) -> Response:
        """The version."""
        ctx = signed_in(request)
        revision = await revisions.get(ctx, request.path_params["id"], request.path_params["version"])
        return as_json(RevisionOut.model_validate(revision))


class Restoration(ApiEndpoint):
    """/api/v1/posts/{id}/revisions/{version}/restore — make an old version the newest."""

    @operation(
        "Restore a version of a post",
        answers={200: PostOut},
        errors={412},
        scope=Scope.POSTS_WRITE,
        headers={"ETag", "Last-Modified"},
    )
    async def post(self, request: Request) -> Response:
        """The post as it is then."""
        ctx = signed_in(request)
        return one_post(
            request,
            await revisions.restore(
                ctx, request.path_params["id"], request.path_params["version"], if_match=versions_in(request)
            ),
        )
