"""Users as JSON."""

import time

from starlette.requests import Request
from starlette.responses import Response

from blog.api.posts import posts_page
from blog.domain import accounts, comments, post_lists, profiles
from blog.domain.post_lists import Wanted
from blog.http import paging
from blog.http.context import context, signed_in
from blog.http.endpoint import Endpoint
from blog.http.parsing import read_json, read_query
from blog.http.presenting import post_out
from blog.http.responses import as_json, as_list
from blog.http.services import services
from blog.schemas.accounts import AccountChanges, AccountOut, NewUser, UserOut, UserProfile
from blog.schemas.comments import CommentOut
from blog.schemas.lists import PageQuery


class UserList(Endpoint):
    """/api/v1/users — make an account."""

    async def post(self, request: Request) -> Response:
        """A new account; 201."""
        ctx = context(request)
        new = await read_json(request, NewUser)
        user = await accounts.register(ctx, new)
        location = services(request).links.path("api:user", id=user.id)
        return as_json(AccountOut.model_validate(user), 201, {"Location": location})


class Me(Endpoint):
    """/api/v1/users/me — one's own account."""

    async def get(self, request: Request) -> Response:
        """The account, with what others do not see."""
        return as_json(AccountOut.model_validate(await accounts.me(signed_in(request))))

    async def patch(self, request: Request) -> Response:
        """Change the members that are sent."""
        ctx = signed_in(request)
        changes = await read_json(request, AccountChanges)
        return as_json(AccountOut.model_validate(await accounts.change(ctx, changes)))


class UserDetail(Endpoint):
    """/api/v1/users/{id} — somebody, with their newest posts and comments."""

    async def get(self, request: Request) -> Response:
        """The three parts, fetched at the same time, each on a database connection of its own."""
        ctx = context(request)
        started = time.perf_counter()
        profile = await profiles.read(ctx, request.path_params["id"])
        links = services(request).links
        out = UserProfile(
            user=UserOut.model_validate(profile.user),
            posts=[post_out(post, links) for post in profile.posts.items],
            comments=[CommentOut.model_validate(comment) for comment in profile.comments.items],
            processing_time_seconds=round(time.perf_counter() - started, 6),
        )
        return as_json(out)


class UserPosts(Endpoint):
    """/api/v1/users/{id}/posts — what somebody published, newest first."""

    async def get(self, request: Request) -> Response:
        """A page of posts."""
        ctx = context(request)
        query = read_query(request, PageQuery)
        user = await accounts.get(ctx, request.path_params["id"])
        wanted = Wanted(author_id=user.id, limit=query.limit, after=paging.decode(query.cursor), full=True)
        return posts_page(request, await post_lists.page(ctx, wanted))


class UserComments(Endpoint):
    """/api/v1/users/{id}/comments — what somebody said, newest first."""

    async def get(self, request: Request) -> Response:
        """A page of comments."""
        ctx = context(request)
        query = read_query(request, PageQuery)
        user = await accounts.get(ctx, request.path_params["id"])
        page = await comments.by_user(ctx, user.id, limit=query.limit, after=paging.decode(query.cursor))
        return as_list(request, [CommentOut.model_validate(item) for item in page.items], page.next)
