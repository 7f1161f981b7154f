"""Comments as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.posts import posts
from blog.framework.caching.response_cache import share
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import context, signed_in
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import services
from blog.framework.response import pagination
from blog.framework.response.json import as_json, as_list
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentChanges, CommentOut, NewComment
from blog.schemas.lists import CommentListOut, PageQuery


class CommentList(ApiEndpoint):
    """/api/v1/posts/{id}/comments — read and write comments."""

    is_shared = True

    @operation("Read the comments of a post", query=PageQuery, answers={200: CommentListOut}, headers=("Link", "Live-Cursor"))
    async def get(self, request: Request) -> Response:
        """A page of comments, oldest first."""
        ctx = context(request)
        query = read_query(request, PageQuery)
        share(request, events.post_channel(request.path_params["id"]))
        async with events.placed(ctx.db) as now:
            post = await posts.get(ctx, request.path_params["id"])
            page = await comments.page(ctx, post, limit=query.limit, after=pagination.decode(query.cursor))
        shown = [CommentOut.model_validate(item) for item in page.items]
        return as_list(request, shown, page.next, {"Live-Cursor": now.cursor})

    @operation(
        "Comment on a post",
        body=NewComment,
        answers={201: CommentOut},
        scope=Scope.COMMENTS_WRITE,
        headers={"Location"},
    )
    async def post(self, request: Request) -> Response:
        """Write a comment; 201."""
        ctx = signed_in(request)
        new = await read_json(request, NewComment)
        comment = await comments.create(ctx, request.path_params["id"], new)
        location = services(request).links.path("api:comment", id=comment.id)
        return as_json(CommentOut.model_validate(comment), 201, {"Location": location})


class CommentDetail(ApiEndpoint):
    """/api/v1/comments/{id} — read, change or remove one comment."""

    @operation("Read a comment", answers={200: CommentOut})
    async def get(self, request: Request) -> Response:
        """The comment."""
        return as_json(CommentOut.model_validate(await comments.get(context(request), request.path_params["id"])))

    @operation("Change a comment", body=CommentChanges, answers={200: CommentOut}, scope=Scope.COMMENTS_WRITE)
    async def patch(self, request: Request) -> Response:
        """Change its text (its author) or its status (moderators)."""
        ctx = signed_in(request)
        changes = await read_json(request, CommentChanges)
        return as_json(CommentOut.model_validate(await comments.edit(ctx, request.path_params["id"], changes)))

    @operation("Remove a comment", answers={204: None}, scope=Scope.COMMENTS_WRITE)
    async def delete(self, request: Request) -> Response:
        """Take it from sight; 204."""
        await comments.remove(signed_in(request), request.path_params["id"])
        return Response(status_code=204)
