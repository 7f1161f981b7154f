"""Posts as JSON."""

from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import events
from blog.domain.core.models import Page, Post
from blog.domain.posts import post_lists, posts
from blog.domain.posts.post_lists import Wanted
from blog.framework.caching.response_cache import share
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import context, signed_in
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import services
from blog.framework.response import pagination
from blog.framework.response.conditional import etag, is_fresh, versions_in
from blog.framework.response.json import as_json, as_list
from blog.framework.response.serializers import post_out
from blog.schemas.accounts import Scope
from blog.schemas.lists import PostListOut, PostQuery
from blog.schemas.posts import NewPost, PostChanges, PostOut, PostStatus


class PostList(ApiEndpoint):
    """/api/v1/posts — find posts, write a new one."""

    is_shared = True

    @operation("Find posts", query=PostQuery, answers={200: PostListOut}, headers=("Link", "Live-Cursor"))
    async def get(self, request: Request) -> Response:
        """A page of posts, newest first."""
        ctx = context(request)
        query = read_query(request, PostQuery)
        status = query.status or PostStatus.PUBLISHED
        wanted = Wanted(query.tag, query.author, query.q, status, query.limit, pagination.decode(query.cursor), full=True)
        share(request, events.POSTS, events.COMMENTS)
        async with events.placed(ctx.db) as now:
            page = await post_lists.page(ctx, wanted)
        return posts_page(request, page, {"Live-Cursor": now.cursor})

    @operation(
        "Write a post",
        body=NewPost,
        answers={201: PostOut},
        errors={409},
        scope=Scope.POSTS_WRITE,
        headers=("ETag", "Last-Modified", "Location"),
    )
    async def post(self, request: Request) -> Response:
        """Write a post; 201."""
        ctx = signed_in(request)
        new = await read_json(request, NewPost)
        post = await posts.create(ctx, new)
        location = services(request).links.path("api:post", id=post.id)
        return one_post(request, post, 201, {"Location": location})


class PostDetail(ApiEndpoint):
    """/api/v1/posts/{id} — read, replace, change or delete one post."""

    is_shared = True

    @operation(
        "Read a post",
        answers={200: PostOut, 304: None},
        sends={"If-None-Match"},
        headers=("ETag", "Last-Modified", "Live-Cursor"),
    )
    async def get(self, request: Request) -> Response:
        """The post, or 304 when the client has this very answer."""
        ctx = context(request)
        share(request, events.post_channel(request.path_params["id"]))
        post, now = await posts.placed(ctx, request.path_params["id"])
        place = {"Live-Cursor": now.cursor}
        if is_fresh(request, etag(post)):
            return Response(status_code=304, headers=_validators(post) | place)
        return one_post(request, post, headers=place)

    @operation(
        "Replace a post",
        body=NewPost,
        answers={200: PostOut},
        errors={409, 412},
        scope=Scope.POSTS_WRITE,
        sends={"If-Match"},
        headers={"ETag", "Last-Modified"},
    )
    async def put(self, request: Request) -> Response:
        """Write all of the post anew."""
        ctx = signed_in(request)
        new = await read_json(request, NewPost)
        return one_post(request, await posts.replace(ctx, request.path_params["id"], new, if_match=versions_in(request)))

    @operation(
        "Change a post",
        body=PostChanges,
        answers={200: PostOut},
        errors={409, 412},
        scope=Scope.POSTS_WRITE,
        sends={"If-Match"},
        headers={"ETag", "Last-Modified"},
    )
    async def patch(self, request: Request) -> Response:
        """Change the members that are sent."""
        ctx = signed_in(request)
        changes = await read_json(request, PostChanges)
        return one_post(request, await posts.edit(ctx, request.path_params["id"], changes, if_match=versions_in(request)))

    @operation("Delete a post", answers={204: None}, errors={412}, scope=Scope.POSTS_WRITE, sends={"If-Match"})
    async def delete(self, request: Request) -> Response:
        """Take the post from sight; 204."""
        ctx = signed_in(request)
        await posts.delete(ctx, request.path_params["id"], if_match=versions_in(request))
        return Response(status_code=204)


def one_post(request: Request, post: Post, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The answer that shows one post."""
    return as_json(post_out(post, services(request).links), status, _validators(post) | (headers or {}))


def posts_page(request: Request, page: Page[Post], headers: dict[str, str] | None = None) -> Response:
    """The answer that shows a list of posts."""
    links = services(request).links
    return as_list(request, [post_out(post, links) for post in page.items], page.next, headers)


def _validators(post: Post) -> dict[str, str]:
    # A comment changes the answer but not its date, so only the ETag is compared (RFC 9110 lets a server ignore dates).
    date = format_datetime(post.updated_at, usegmt=True)
    return {"ETag": etag(post), "Last-Modified": date, "Cache-Control": "no-cache", "Vary": "Authorization, Cookie"}
