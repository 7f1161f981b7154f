"""The posts of the JSON API."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import events
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import post_lists, posts
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.framework.response.conditional import if_match_versions, is_not_modified, last_modified_header, post_etag
from blog.framework.response.json import json_response, page_response
from blog.framework.response.serializers import post_out
from blog.schemas.accounts import Scope
from blog.schemas.lists import PostListOut, PostQuery
from blog.schemas.posts import ListedStatus, NewPost, PostChanges, PostOut, PostSort, PostStatus


class PostList(ApiEndpoint):
    """/api/v1/posts: list and create posts."""

    is_cacheable = True

    def body_limit(self, request: Request) -> int:
        """Return the maximum body size of a POST with a key, in bytes."""
        return MAX_POST_BODY_BYTES

    @operation("List posts", query=PostQuery, responses={200: PostListOut}, response_headers=("Link", "Live-Cursor"))
    async def get(self, request: Request) -> Response:
        """Return a page of posts, newest first."""
        ctx = request_context(request)
        query = read_query(request, PostQuery)
        digest = pagination.list_digest(request)
        post_filter = _post_filter(query, pagination.decode_cursor(query.cursor, digest))
        cache_until_event(request, events.POSTS, events.COMMENTS)
        async with events.snapshot_with_position(ctx.db) as position:
            page = await post_lists.list_page(ctx, post_filter)
            total = await post_lists.count(ctx, post_filter) if query.count else None
        return post_list_response(request, page, {"Live-Cursor": position.cursor}, digest=digest, total=total)

    @operation(
        "Create a post",
        body=NewPost,
        responses={201: PostOut},
        errors={409},
        scope=Scope.POSTS_WRITE,
        response_headers=("ETag", "Last-Modified", "Location"),
    )
    async def post(self, request: Request) -> Response:
        """Create a post. Returns 201."""
        ctx = require_user(request)
        new = await read_json(request, NewPost, max_bytes=MAX_POST_BODY_BYTES)
        post = await posts.create(ctx, new)
        location = app_state(request).urls.path("api:post", id=post.id)
        return post_response(request, post, 201, {"Location": location})


class PostDetail(ApiEndpoint):
    """/api/v1/posts/{id}: read, replace, change or delete one post."""

    is_cacheable = True

    @operation(
        "Read a post",
        responses={200: PostOut, 304: None},
        request_headers={"If-None-Match"},
        response_headers=("ETag", "Last-Modified", "Live-Cursor"),
    )
    async def get(self, request: Request) -> Response:
        """Return the post, or 304 if the client has this version."""
        ctx = request_context(request)
        cache_until_event(request, events.post_channel(request.path_params["id"]))
        post, position = await posts.get_with_position(ctx, request.path_params["id"])
        live_cursor = {"Live-Cursor": position.cursor}
        if is_not_modified(request, post_etag(post)):
            return Response(status_code=304, headers=_validators(post) | live_cursor)
        return post_response(request, post, headers=live_cursor)

    @operation(
        "Replace a post",
        body=NewPost,
        responses={200: PostOut},
        errors={409, 412},
        scope=Scope.POSTS_WRITE,
        request_headers={"If-Match"},
        response_headers={"ETag", "Last-Modified"},
    )
    async def put(self, request: Request) -> Response:
        """Replace the post."""
        ctx = require_user(request)
        new = await read_json(request, NewPost, max_bytes=MAX_POST_BODY_BYTES)
        return post_response(
            request, await posts.replace(ctx, request.path_params["id"], new, if_match=if_match_versions(request))
        )

    @operation(
        "Change a post",
        body=PostChanges,
        responses={200: PostOut},
        errors={409, 412},
        scope=Scope.POSTS_WRITE,
        request_headers={"If-Match"},
        response_headers={"ETag", "Last-Modified"},
    )
    async def patch(self, request: Request) -> Response:
        """Change the fields that were sent."""
        ctx = require_user(request)
        changes = await read_json(request, PostChanges, max_bytes=MAX_POST_BODY_BYTES)
        return post_response(
            request, await posts.edit(ctx, request.path_params["id"], changes, if_match=if_match_versions(request))
        )

    @operation("Delete a post", responses={204: None}, errors={412}, scope=Scope.POSTS_WRITE, request_headers={"If-Match"})
    async def delete(self, request: Request) -> Response:
        """Delete the post. Returns 204."""
        ctx = require_user(request)
        await posts.delete(ctx, request.path_params["id"], if_match=if_match_versions(request))
        return Response(status_code=204)


class PostUndelete(ApiEndpoint):
    """/api/v1/posts/{id}/undelete: restore a deleted post."""

    @operation(
        "Restore a deleted post",
        responses={200: PostOut},
        errors={409},
        scope=Scope.POSTS_WRITE,
        response_headers={"ETag", "Last-Modified"},
    )
    async def post(self, request: Request) -> Response:
        """Restore the post with the status that it had, up to 30 days after its deletion."""
        return post_response(request, await posts.undelete(require_user(request), request.path_params["id"]))


class PostAuthorship(ApiEndpoint):
    """/api/v1/posts/{id}/authors/me: the current user as an author of the post."""

    @operation("Stop being an author of a post", responses={204: None}, errors={409}, scope=Scope.POSTS_WRITE)
    async def delete(self, request: Request) -> Response:
        """Remove yourself from the authors. Returns 204, or 409 if you are the only author."""
        await posts.leave(require_user(request), request.path_params["id"])
        return Response(status_code=204)


def post_response(request: Request, post: Post, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the response with one post."""
    return json_response(post_out(post, app_state(request).urls), status, _validators(post) | (headers or {}))


def post_list_response(
    request: Request,
    page: ResultPage[Post],
    headers: dict[str, str] | None = None,
    *,
    digest: str = "",
    total: int | None = None,
) -> Response:
    """Return the response with a page of posts. digest, total: see `page_response`."""
    links = app_state(request).urls
    items = [post_out(post, links) for post in page.items]
    return page_response(request, items, page.next, headers, digest=digest, total=total)


def _post_filter(query: PostQuery, after: CursorKey | None) -> PostFilter:
    is_deleted = query.status is ListedStatus.DELETED
    return PostFilter(
        tags=tuple(query.tag),
        author=query.author,
        slug=query.slug,
        text=query.q,
        status=None if is_deleted else PostStatus(query.status or PostStatus.PUBLISHED),
        is_deleted=is_deleted,
        published_after=query.published_after,
        published_before=query.published_before,
        updated_after=query.updated_after,
        sort=PostSort(query.sort),
        limit=query.limit,
        after=after,
        full=True,
    )


def _validators(post: Post) -> dict[str, str]:
    # Only the ETag is compared: a comment changes the response but not `updated_at` (RFC 9110 lets servers ignore dates).
    return {
        "ETag": post_etag(post),
        "Last-Modified": last_modified_header(post.updated_at),
        "Cache-Control": "no-cache",
        "Vary": "Authorization, Cookie",
    }
