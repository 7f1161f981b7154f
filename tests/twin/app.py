"""The endpoints for posts and users in FastAPI: the same domain, models and database, for comparison only.

What FastAPI does not do by itself is left as FastAPI does it; `tests/contract` lists it.
"""

import contextlib
import datetime as dt
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from blog.app import routes
from blog.domain.accounts import accounts, sessions, tokens
from blog.domain.accounts.models import User
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.posts import post_lists, posts
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.domain.read_models import profile as read_models_profile
from blog.errors import BlogError, InvalidInput, NotAuthenticated, VersionConflict
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.response import pagination
from blog.framework.response.conditional import post_etag
from blog.framework.response.error_statuses import error_headers, error_status
from blog.framework.response.serializers import post_out
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.accounts import AccountOut, NewToken, NewUser, TokenOut, TokenSummary, UserOut, UserProfile, UserWithRoleOut
from blog.schemas.fields import Id
from blog.schemas.lists import PostListOut, PostQuery
from blog.schemas.posts import NewPost, PostChanges, PostOut, PostStatus
from blog.settings import Settings

router = APIRouter()
bearer = HTTPBearer(auto_error=False)


async def stranger(request: Request) -> AsyncIterator[Context]:
    """Return the context of a request, also for its log lines."""
    correlation_id = uuid.uuid4().hex
    with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
        yield Context(request.state.site, None, dt.datetime.now(dt.UTC), correlation_id)


async def context(
    ctx: Annotated[Context, Depends(stranger)], credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Context:
    """Return the context with the authenticated actor. Raises NotAuthenticated if the credentials are wrong."""
    if credentials is None:
        return ctx
    actor = await tokens.authenticate(ctx, credentials.credentials)
    if actor is None:
        raise NotAuthenticated("This token is invalid, expired or revoked. Create a new one.")
    return ctx.acting_as(actor)


async def signed_in(ctx: Annotated[Context, Depends(context)]) -> Context:
    """Return the context. Raises NotAuthenticated without credentials."""
    ctx.require_actor()
    return ctx


async def links(request: Request) -> UrlBuilder:
    """Return the URLs of the blog's pages."""
    found: UrlBuilder = request.state.links
    return found


async def version(if_match: Annotated[str | None, Header()] = None) -> set[int] | None:
    """Return the versions of the If-Match header, or None without it."""
    if if_match is None or if_match.strip() == "*":
        return None
    versions = re.findall(r'(?<!W/)"(\d{1,9})[."]', if_match)
    if not versions:
        raise VersionConflict('If-Match has no ETag of this post. Send its ETag, such as "3.12.2".')
    return {int(number) for number in versions}


Anybody = Annotated[Context, Depends(context)]
SignedIn = Annotated[Context, Depends(signed_in)]
Addresses = Annotated[UrlBuilder, Depends(links)]
Version = Annotated[set[int] | None, Depends(version)]


def validators(post: Post) -> dict[str, str]:
    """Return the headers of a response with one post."""
    return {"ETag": post_etag(post), "Cache-Control": "no-cache", "Vary": "Authorization, Cookie"}


@router.get("/posts", response_model=PostListOut)
async def list_posts(
    ctx: Anybody, to: Addresses, query: Annotated[PostQuery, Query()], request: Request, response: Response
) -> dict[str, Any]:
    """Return a page of posts, newest first."""
    status = PostStatus(query.status or PostStatus.PUBLISHED)
    wanted = PostFilter(
        tuple(query.tag), query.author, query.q, status, query.limit, pagination.decode_cursor(query.cursor), full=True
    )
    page = await post_lists.list_page(ctx, wanted)
    cursor = pagination.encode_cursor(page.next)
    if cursor:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'
    return {"items": [post_out(post, to) for post in page.items], "next": cursor}


@router.post("/posts", response_model=PostOut, status_code=201)
async def create_post(ctx: SignedIn, to: Addresses, new: NewPost, request: Request, response: Response) -> PostOut:
    """Create a post; 201."""
    post = await posts.create(ctx, new)
    response.headers.update(validators(post) | {"Location": request.app.url_path_for("read_post", post_id=post.id)})
    return post_out(post, to)


@router.get("/posts/{post_id}", response_model=PostOut)
async def read_post(
    ctx: Anybody, to: Addresses, post_id: Id, response: Response, if_none_match: Annotated[str, Header()] = ""
) -> PostOut | Response:
    """Return the post, or 304 if the client has the current representation."""
    post = await posts.get(ctx, post_id)
    if if_none_match.strip() == "*" or post_etag(post) in re.findall(r'"[^"]*"', if_none_match):
        return Response(status_code=304, headers=validators(post))
    response.headers.update(validators(post))
    return post_out(post, to)


@router.put("/posts/{post_id}", response_model=PostOut)
async def replace_post(ctx: SignedIn, to: Addresses, post_id: Id, new: NewPost, if_match: Version, response: Response) -> PostOut:
    """Replace the whole post."""
    post = await posts.replace(ctx, post_id, new, if_match=if_match)
    response.headers.update(validators(post))
    return post_out(post, to)


@router.patch("/posts/{post_id}", response_model=PostOut)
async def edit_post(
    ctx: SignedIn, to: Addresses, post_id: Id, changes: PostChanges, if_match: Version, response: Response
) -> PostOut:
    """Change the members in the body."""
    post = await posts.edit(ctx, post_id, changes, if_match=if_match)
    response.headers.update(validators(post))
    return post_out(post, to)


@router.delete("/posts/{post_id}", status_code=204)
async def delete_post(ctx: SignedIn, post_id: Id, if_match: Version) -> None:
    """Delete the post; 204."""
    await posts.delete(ctx, post_id, if_match=if_match)


@router.post("/users", response_model=AccountOut, status_code=201)
async def create_user(ctx: Anybody, new: NewUser, request: Request, response: Response) -> User:
    """Create an account; 201."""
    user = await accounts.register(ctx, new)
    response.headers["Location"] = request.app.url_path_for("read_user", user_id=user.id)
    return user


@router.get("/users/{user_id}", response_model=UserProfile)
async def read_user(ctx: Anybody, to: Addresses, user_id: Id) -> dict[str, Any]:
    """Return a profile; its three parts are fetched concurrently, each on a separate database connection."""
    started = time.perf_counter()
    profile = await read_models_profile.read(ctx, user_id)
    user = (UserWithRoleOut if policy.can_see_role(ctx.actor, user_id) else UserOut).model_validate(profile.user)
    return {
        "user": user,
        "posts": [post_out(post, to) for post in profile.posts.items],
        "comments": profile.comments.items,
        "processing_time_seconds": round(time.perf_counter() - started, 6),
    }


@router.post("/tokens", response_model=TokenOut, status_code=201)
async def create_token(ctx: Anybody, wanted: NewToken, response: Response) -> dict[str, Any]:
    """Create a token with username and password; 201. The secret is shown only here."""
    actor = await sessions.authenticate(ctx, wanted)
    made = await tokens.issue(ctx, actor, name=wanted.name, scopes=wanted.scopes, seconds=wanted.expires_in)
    response.headers["Cache-Control"] = "no-store"
    return TokenSummary.model_validate(made.token).model_dump() | {"token": made.value}


async def on_blog_error(request: Request, error: Exception) -> JSONResponse:
    """Return a domain error in FastAPI's format."""
    assert isinstance(error, BlogError)
    detail = [asdict(fault) for fault in error.errors] if isinstance(error, InvalidInput) else error.detail
    return JSONResponse({"detail": detail}, error_status(error), error_headers(error))


def create_twin(settings: Settings) -> FastAPI:
    """Return the twin of the blog's API; its database has been migrated."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_site(settings) as site:
            yield {"site": site, "links": UrlBuilder(routes, settings.public_url)}

    app = FastAPI(
        title=settings.project_name,
        lifespan=lifespan,
        max_body_size=MAX_POST_BODY_BYTES,
        exception_handlers={BlogError: on_blog_error},
    )
    app.include_router(router, prefix="/api/v1")
    return app
