"""The versions of a post as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.api.posts import one_post
from blog.domain import revisions
from blog.http import paging
from blog.http.context import signed_in
from blog.http.endpoint import Endpoint
from blog.http.parsing import read_query
from blog.http.responses import as_json, as_list
from blog.schemas.lists import PageQuery
from blog.schemas.posts import RevisionOut


class RevisionList(Endpoint):
    """/api/v1/posts/{id}/revisions — every version, newest first."""

    async def get(self, request: Request) -> Response:
        """A page of versions."""
        ctx = signed_in(request)
        query = read_query(request, PageQuery)
        page = await revisions.page(ctx, request.path_params["id"], limit=query.limit, after=paging.decode(query.cursor))
        return as_list(request, [RevisionOut.model_validate(item) for item in page.items], page.next)


class RevisionDetail(Endpoint):
    """/api/v1/posts/{id}/revisions/{version} — one version."""

    async def get(self, request: Request) -> Response:
        """The version."""
        ctx = signed_in(request)
        revision = await revisions.get(ctx, request.path_params["id"], request.path_params["version"])
        return as_json(RevisionOut.model_validate(revision))


class Restoration(Endpoint):
    """/api/v1/posts/{id}/revisions/{version}/restore — make an old version the newest."""

    async def post(self, request: Request) -> Response:
        """The post as it is then."""
        ctx = signed_in(request)
        return one_post(request, await revisions.restore(ctx, request.path_params["id"], request.path_params["version"]))
