"""JSON endpoints of users."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.api.posts import post_list_response
from blog.domain.accounts import accounts, administration, registration, user_directory
from blog.domain.accounts.models import User
from blog.domain.accounts.user_directory import MemberFilter
from blog.domain.comments import comments
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import post_lists
from blog.domain.posts.post_filter import PostFilter
from blog.domain.read_models import profile
from blog.errors import FieldError
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.framework.response.json import json_response, page_response
from blog.framework.response.serializers import comment_out, post_out
from blog.schemas.accounts import (
    AccountChanges,
    AccountOut,
    NewUser,
    Role,
    Scope,
    UserOut,
    UserProfile,
    UserWithRoleOut,
)
from blog.schemas.lists import CommentListOut, PageQuery, PostListOut, UserListOut
from blog.schemas.members import MemberDeletion, MemberOut, UserChanges, UserQuery


class UserList(ApiEndpoint):
    """/api/v1/users: list and create accounts."""

    @operation("List accounts", query=UserQuery, responses={200: UserListOut}, errors={401, 403}, response_headers={"Link"})
    async def get(self, request: Request) -> Response:
        """Return a page of accounts that were not deleted. Only owners with the scope `admin` can list them.

        With `username` anybody gets a list of at most one public profile: that of an author or commenter.
        """
        ctx = request_context(request)
        query = read_query(request, UserQuery)
        if query.username is not None:
            user = await profile.by_username(ctx, query.username)
            return page_response(request, [UserOut.model_validate(user)] if user else [], None)
        wanted = MemberFilter(
            query.q or "", query.role, query.status, query.sort, query.limit, pagination.decode_cursor(query.cursor)
        )
        page = await user_directory.list_page(ctx, wanted)
        return page_response(request, [MemberOut.model_validate(item) for item in page.items], page.next)

    @operation("Create an account", body=NewUser, responses={201: AccountOut}, errors={409}, response_headers={"Location"})
    async def post(self, request: Request) -> Response:
        """Create an account. Returns 201."""
        ctx = request_context(request)
        limits = app_state(request).rate_limits

        async def check_names(values: Mapping[str, Any]) -> Sequence[FieldError]:
            accounts.require_registration(ctx)
            await limits.check(request, "register")  # taken names are not revealed without limit
            return await registration.find_errors(ctx, values, Role.READER)

        new = await read_json(request, NewUser, check_names)
        await limits.check(request, "register")
        user = await accounts.register(ctx, new)
        location = app_state(request).urls.path("api:user", id=user.id)
        return json_response(AccountOut.model_validate(user), 201, {"Location": location})


class CurrentUser(ApiEndpoint):
    """/api/v1/users/me: the current user's account."""

    @operation("Get your account", responses={200: AccountOut}, scope=Scope.ACCOUNT)
    async def get(self, request: Request) -> Response:
        """Return the account, with its private fields."""
        return json_response(AccountOut.model_validate(await accounts.current(require_user(request))))

    @operation(
        "Change your account",
        body=AccountChanges,
        responses={200: AccountOut},
        errors={409},
        scope=Scope.ACCOUNT,
    )
    async def patch(self, request: Request) -> Response:
        """Change the members that are present in the body."""
        ctx = require_user(request)
        changes = await read_json(request, AccountChanges)
        if changes.current_password is not None:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
        return json_response(AccountOut.model_validate(await accounts.change(ctx, changes)))


class UserDetail(ApiEndpoint):
    """/api/v1/users/{id}: a user with their latest posts and comments."""

    @operation("Get a user with their latest posts and comments", responses={200: UserProfile})
    async def get(self, request: Request) -> Response:
        """Return the three parts, which are fetched concurrently on separate database connections.

        An account that has published nothing is 404, except to itself and to owners. Only these two and editors see `role`.
        """
        ctx = request_context(request)
        started = time.perf_counter()
        user_profile = await profile.read(ctx, request.path_params["id"])
        urls = app_state(request).urls
        out = UserProfile(
            user=_user_out(ctx, user_profile.user),
            posts=[post_out(post, urls) for post in user_profile.posts.items],
            comments=[comment_out(comment, urls) for comment in user_profile.comments.items],
            processing_time_seconds=round(time.perf_counter() - started, 6),
        )
        return json_response(out)

    @operation("Change the role of a user", body=UserChanges, responses={200: MemberOut}, errors={409}, scope=Scope.ADMIN)
    async def patch(self, request: Request) -> Response:
        """Change the members that are present in the body; only owners can."""
        ctx, user_id = require_user(request), request.path_params["id"]
        changes = await read_json(request, UserChanges)
        if "role" in changes.model_fields_set:
            await administration.set_role(ctx, user_id, changes.role)
        return json_response(MemberOut.model_validate(await user_directory.get(ctx, user_id)))

    @operation("Delete a user", query=MemberDeletion, responses={204: None}, errors={409}, scope=Scope.ADMIN)
    async def delete(self, request: Request) -> Response:
        """Delete the account of another user; only owners can. The query says which posts and comments stay. Returns 204."""
        ctx = require_user(request)
        await administration.delete(ctx, request.path_params["id"], read_query(request, MemberDeletion))
        return Response(status_code=204)


class UserPosts(ApiEndpoint):
    """/api/v1/users/{id}/posts: the published posts of a user."""

    @operation("List the posts of a user", query=PageQuery, responses={200: PostListOut}, response_headers={"Link"})
    async def get(self, request: Request) -> Response:
        """Return a page of posts, newest first."""
        ctx = request_context(request)
        query = read_query(request, PageQuery)
        user = await profile.by_id(ctx, request.path_params["id"])
        post_filter = PostFilter(author_id=user.id, limit=query.limit, after=pagination.decode_cursor(query.cursor), full=True)
        return post_list_response(request, await post_lists.list_page(ctx, post_filter))


class UserComments(ApiEndpoint):
    """/api/v1/users/{id}/comments: the visible comments of a user."""

    @operation("List the comments of a user", query=PageQuery, responses={200: CommentListOut}, response_headers={"Link"})
    async def get(self, request: Request) -> Response:
        """Return a page of comments, newest first."""
        ctx = request_context(request)
        query = read_query(request, PageQuery)
        user = await profile.by_id(ctx, request.path_params["id"])
        page = await comments.by_user(ctx, user.id, limit=query.limit, after=pagination.decode_cursor(query.cursor))
        urls = app_state(request).urls
        return page_response(request, [comment_out(item, urls) for item in page.items], page.next)


def _user_out(ctx: Context, user: User) -> UserOut:
    model = UserWithRoleOut if policy.can_see_role(ctx.actor, user.id) else UserOut
    return model.model_validate(user)
