"""Users that may be named as authors, as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts import authors
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_query
from blog.framework.response.json import list_response
from blog.schemas.accounts import Scope
from blog.schemas.lists import AuthorQuery
from blog.schemas.posts import AuthorOut


class AuthorList(ApiEndpoint):
    """/api/v1/authors: the users that may be named as authors of a post."""

    @operation("Find users to name as authors", query=AuthorQuery, responses={200: list[AuthorOut]}, scope=Scope.POSTS_WRITE)
    async def get(self, request: Request) -> Response:
        """Return at most 20 authors, editors and owners as an array, sorted by username. Readers get 403."""
        query = read_query(request, AuthorQuery)
        found = await authors.find(require_user(request), query.q)
        return list_response([AuthorOut.model_validate(author) for author in found])
