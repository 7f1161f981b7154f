"""JSON endpoints of comments."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.posts import posts
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.framework.response.json import json_response, page_response
from blog.framework.response.serializers import comment_out
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentChanges, CommentOut, NewComment
from blog.schemas.lists import CommentListOut, PageQuery


class CommentList(ApiEndpoint):
    """/api/v1/posts/{id}/comments: list and create comments."""

    is_cacheable = True

    @operation(
        "List the comments of a post", query=PageQuery, responses={200: CommentListOut}, response_headers=("Link", "Live-Cursor")
    )
    async def get(self, request: Request) -> Response:
        """Return a page of comments, oldest first. A removed comment with replies is listed without text and author."""
        ctx = request_context(request)
        query = read_query(request, PageQuery)
        cache_until_event(request, events.post_channel(request.path_params["id"]))
        async with events.snapshot_with_position(ctx.db) as now:
            post = await posts.get(ctx, request.path_params["id"])
            page = await comments.list_page(ctx, post, limit=query.limit, after=pagination.decode_cursor(query.cursor))
        urls = app_state(request).urls
        items = [comment_out(item, urls) for item in page.items]
        return page_response(request, items, page.next, {"Live-Cursor": now.cursor})

    @operation(
        "Comment on a post",
        body=NewComment,
        responses={201: CommentOut},
        scope=Scope.COMMENTS_WRITE,
        response_headers={"Location"},
    )
    async def post(self, request: Request) -> Response:
        """Create a comment. Returns 201."""
        ctx = require_user(request)
        new = await read_json(request, NewComment)
        comment = await comments.create(ctx, request.path_params["id"], new)
        urls = app_state(request).urls
        return json_response(comment_out(comment, urls), 201, {"Location": urls.path("api:comment", id=comment.id)})


class CommentDetail(ApiEndpoint):
    """/api/v1/comments/{id}: read, edit or remove one comment."""

    @operation("Get a comment", responses={200: CommentOut})
    async def get(self, request: Request) -> Response:
        """Return the comment."""
        comment = await comments.get(request_context(request), request.path_params["id"])
        return json_response(comment_out(comment, app_state(request).urls))

    @operation("Edit or moderate a comment", body=CommentChanges, responses={200: CommentOut}, scope=Scope.COMMENTS_WRITE)
    async def patch(self, request: Request) -> Response:
        """Edit the text (the author) or set the status (moderators)."""
        ctx = require_user(request)
        changes = await read_json(request, CommentChanges)
        comment = await comments.edit(ctx, request.path_params["id"], changes)
        return json_response(comment_out(comment, app_state(request).urls))

    @operation("Remove a comment", responses={204: None}, scope=Scope.COMMENTS_WRITE)
    async def delete(self, request: Request) -> Response:
        """Remove the comment; replies stay. Returns 204."""
        await comments.remove(require_user(request), request.path_params["id"])
        return Response(status_code=204)
