"""Users as JSON."""

import time

from starlette.requests import Request
from starlette.responses import Response

from blog.api.posts import posts_page
from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.posts import post_lists
from blog.domain.posts.post_lists import Wanted
from blog.domain.read_models import profile as read_models_profile
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import context, signed_in
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import services
from blog.framework.response import pagination
from blog.framework.response.json import as_json, as_list
from blog.framework.response.serializers import post_out
from blog.schemas.accounts import AccountChanges, AccountOut, NewUser, Scope, UserOut, UserProfile
from blog.schemas.comments import CommentOut
from blog.schemas.lists import CommentListOut, PageQuery, PostListOut


class UserList(ApiEndpoint):
    """/api/v1/users — make an account."""

    @operation("Make an account", body=NewUser, answers={201: AccountOut}, errors={409}, headers={"Location"})
    async def post(self, request: Request) -> Response:
        """A new account; 201."""
        ctx = context(request)
        new = await read_json(request, NewUser)
        await services(request).rate_limits.attempt(request, "register")
        user = await accounts.register(ctx, new)
        location = services(request).links.path("api:user", id=user.id)
        return as_json(AccountOut.model_validate(user), 201, {"Location": location})


class Me(ApiEndpoint):
    """/api/v1/users/me — one's own account."""

    @operation("Read one's own account", answers={200: AccountOut}, scope=Scope.ACCOUNT)
    async def get(self, request: Request) -> Response:
        """The account, with what others do not see."""
        return as_json(AccountOut.model_validate(await accounts.me(signed_in(request))))

    @operation(
        "Change one's own account",
        body=AccountChanges,
        answers={200: AccountOut},
        errors={409},
        scope=Scope.ACCOUNT,
    )
    async def patch(self, request: Request) -> Response:
        """Change the members that are sent."""
        ctx = signed_in(request)
        changes = await read_json(request, AccountChanges)
        if changes.current is not None:
            await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
        return as_json(AccountOut.model_validate(await accounts.change(ctx, changes)))


class UserDetail(ApiEndpoint):
    """/api/v1/users/{id} — somebody, with their newest posts and comments."""

    @operation("Read about somebody", answers={200: UserProfile})
    async def get(self, request: Request) -> Response:
        """The three parts, fetched at the same time, each on a database connection of its own."""
        ctx = context(request)
        started = time.perf_counter()
        profile = await read_models_profile.read(ctx, request.path_params["id"])
        links = services(request).links
        out = UserProfile(
            user=UserOut.model_validate(profile.user),
            posts=[post_out(post, links) for post in profile.posts.items],
            comments=[CommentOut.model_validate(comment) for comment in profile.comments.items],
            processing_time_seconds=round(time.perf_counter() - started, 6),
        )
        return as_json(out)


class UserPosts(ApiEndpoint):
    """/api/v1/users/{id}/posts — what somebody published, newest first."""

    @operation("Read somebody's posts", query=PageQuery, answers={200: PostListOut}, headers={"Link"})
    async def get(self, request: Request) -> Response:
        """A page of posts."""
        ctx = context(request)
        query = read_query(request, PageQuery)
        user = await accounts.get(ctx, request.path_params["id"])
        wanted = Wanted(author_id=user.id, limit=query.limit, after=pagination.decode(query.cursor), full=True)
        return posts_page(request, await post_lists.page(ctx, wanted))


class UserComments(ApiEndpoint):
    """/api/v1/users/{id}/comments — what somebody said, newest first."""

    @operation("Read somebody's comments", query=PageQuery, answers={200: CommentListOut}, headers={"Link"})
    async def get(self, request: Request) -> Response:
        """A page of comments."""
        ctx = context(request)
        query = read_query(request, PageQuery)
        user = await accounts.get(ctx, request.path_params["id"])
        page = await comments.by_user(ctx, user.id, limit=query.limit, after=pagination.decode(query.cursor))
        return as_list(request, [CommentOut.model_validate(item) for item in page.items], page.next)
