"""Comments as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain import comments, posts
from blog.http import paging
from blog.http.context import context, signed_in
from blog.http.endpoint import Endpoint
from blog.http.parsing import read_json, read_query
from blog.http.responses import as_json, as_list
from blog.http.services import services
from blog.schemas.comments import CommentChanges, CommentOut, NewComment
from blog.schemas.lists import PageQuery


class CommentList(Endpoint):
    """/api/v1/posts/{id}/comments — read and write comments."""

    async def get(self, request: Request) -> Response:
        """A page of comments, oldest first."""
        ctx = context(request)
        query = read_query(request, PageQuery)
        post = await posts.get(ctx, request.path_params["id"])
        page = await comments.page(ctx, post, limit=query.limit, after=paging.decode(query.cursor))
        return as_list(request, [CommentOut.model_validate(item) for item in page.items], page.next)

    async def post(self, request: Request) -> Response:
        """Write a comment; 201."""
        ctx = signed_in(request)
        new = await read_json(request, NewComment)
        comment = await comments.create(ctx, request.path_params["id"], new)
        location = services(request).links.path("api:comment", id=comment.id)
        return as_json(CommentOut.model_validate(comment), 201, {"Location": location})


class CommentDetail(Endpoint):
    """/api/v1/comments/{id} — read, change or remove one comment."""

    async def get(self, request: Request) -> Response:
        """The comment."""
        return as_json(CommentOut.model_validate(await comments.get(context(request), request.path_params["id"])))

    async def patch(self, request: Request) -> Response:
        """Change its text (its author) or its status (moderators)."""
        ctx = signed_in(request)
        changes = await read_json(request, CommentChanges)
        return as_json(CommentOut.model_validate(await comments.edit(ctx, request.path_params["id"], changes)))

    async def delete(self, request: Request) -> Response:
        """Take it from sight; 204."""
        await comments.remove(signed_in(request), request.path_params["id"])
        return Response(status_code=204)
