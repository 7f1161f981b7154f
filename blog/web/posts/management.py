"""Lists of all posts, with filters, and changes of several posts at once. State is in the URL, and nothing needs JavaScript."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import bulk_changes, post_lists
from blog.domain.posts.bulk_changes import Outcome
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.errors import Forbidden, InvalidInput
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.schemas.post_management import MAX_BULK_POSTS, BulkAction, BulkChange, BulkSelection, ManagedPostQuery
from blog.schemas.posts import ListedStatus, PostSort, PostStatus
from blog.text.time_zones import end_of_day, start_of_day
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import current_path

_PAGE_SIZE = 25
_FIELD_PREFIX = "post-"
_COLUMNS = (
    ("title", "Title", PostSort.TITLE),
    ("published_at", "Date", PostSort.NEWEST),
    ("comments", "Comments", PostSort.MOST_COMMENTS),
    ("views", "Views", PostSort.MOST_VIEWS),
)
"""The columns by which the list can be sorted: field, label, and the order of the first click."""
_ORDERS = (
    (PostSort.NEWEST, "Newest first"),
    (PostSort.OLDEST, "Oldest first"),
    (PostSort.LAST_UPDATED, "Last updated"),
    (PostSort.FIRST_UPDATED, "Longest without update"),
    (PostSort.TITLE, "Title, A to Z"),
    (PostSort.TITLE_DESCENDING, "Title, Z to A"),
    (PostSort.MOST_COMMENTS, "Most comments"),
    (PostSort.FEWEST_COMMENTS, "Fewest comments"),
    (PostSort.MOST_VIEWS, "Most views"),
    (PostSort.FEWEST_VIEWS, "Fewest views"),
)


@dataclass(frozen=True, slots=True)
class SortLink:
    """The heading of a column, and the list sorted by it. `direction`: the value of `aria-sort`, if it is sorted by it now."""

    label: str
    path: str
    direction: str | None


class AllPostsPage(Endpoint):
    """/admin/posts: the posts of all authors, for editors and owners."""

    route: ClassVar[str] = "web:admin_posts"

    def post_filter(self, ctx: Context, query: ManagedPostQuery, digest: str) -> PostFilter:
        """Return the filter of the list."""
        is_deleted, zone = query.status is ListedStatus.DELETED, ctx.site.formats.zone
        return PostFilter(
            tags=(query.tag,) if query.tag else (),
            author=query.author,
            text=query.q,
            status=PostStatus(query.status) if query.status and not is_deleted else None,
            is_deleted=is_deleted,
            published_after=start_of_day(query.since, zone) - dt.timedelta(microseconds=1) if query.since else None,
            published_before=end_of_day(query.until, zone) if query.until else None,
            sort=query.sort,
            limit=_PAGE_SIZE,
            after=pagination.decode_cursor(query.cursor, digest),
        )

    def authorise(self, ctx: Context) -> None:
        """Raise Forbidden unless the user may see the list."""
        policy.require_editor(ctx)

    async def get(self, request: Request) -> Response:
        """Show a page of the list. An invalid filter is shown again with a message (422)."""
        return await self._render_list(request, Form())

    async def post(self, request: Request) -> Response:
        """Change the selected posts, after a page that asks for confirmation."""
        ctx = require_user(request)
        self.authorise(ctx)
        form = await read_form(request)
        sent = Form({name: form.value(name) for name in BulkChange.model_fields if form.value(name)})
        change = sent.parse(BulkChange)
        if change is None:
            form.errors = sent.errors
            return await self._render_list(request, form, 422)
        if form.value("ids"):
            return await self._apply(request, ctx, form, change)
        try:
            await bulk_changes.require_known_author(ctx, change)
        except InvalidInput as error:
            form.add_error(error)
            return await self._render_list(request, form, 422)
        found = await self._selected(request, ctx, form)
        if not found:
            form.errors.setdefault("posts", "Select at least one post")
            return await self._render_list(request, form, 422)
        return self._render(request, "posts/bulk_confirm.html", change=change, posts=found)

    async def _apply(self, request: Request, ctx: Context, form: Form, change: BulkChange) -> Response:
        selection = Form().parse(BulkSelection, ids=form.value("ids").split(","))
        if selection is None:
            form.errors["posts"] = "Select at least one post"
            return await self._render_list(request, form, 422)
        limit = ctx.site.settings.request_timeout / 2
        result = await bulk_changes.apply(ctx, change, selection.ids, time_limit=limit)
        counts = {"changed": result.count(Outcome.DONE), "unchanged": result.count(Outcome.UNCHANGED)}
        return self._render(request, "posts/bulk_result.html", change=change, result=result, **counts)

    async def _selected(self, request: Request, ctx: Context, form: Form) -> Sequence[Post]:
        """Return the posts with checked boxes, or the first posts that match the filter."""
        if form.value("scope") != "matching":
            ids = [name.removeprefix(_FIELD_PREFIX) for name in form.values if name.startswith(_FIELD_PREFIX)]
            selection = Form().parse(BulkSelection, ids=ids)
            return await bulk_changes.selected(ctx, selection.ids) if selection else ()
        query = _filter_form(request).parse(ManagedPostQuery, cursor=None)
        if query is None:
            return ()
        all_matching = dataclasses.replace(self.post_filter(ctx, query, ""), limit=MAX_BULK_POSTS)
        return (await post_lists.list_page(ctx, all_matching)).items

    async def _render_list(self, request: Request, form: Form, status: int = 200) -> Response:
        ctx = require_user(request)
        self.authorise(ctx)
        filters = _filter_form(request)
        query = filters.parse(ManagedPostQuery)
        if query is None:
            values = {"posts": (), "total": 0, "next_page_path": None, "query": ManagedPostQuery()}
            return self._render(request, "posts/manage.html", 422, form=form, filters=filters, **values)
        digest = pagination.list_digest(request)
        post_filter = self.post_filter(ctx, query, digest)
        async with ctx.db.snapshot():
            page = await post_lists.list_page(ctx, post_filter)
            total = await post_lists.count(ctx, post_filter)
        cursor = pagination.encode_cursor(page.next, digest)
        next_path = current_path(request, cursor=cursor) if cursor else None
        values = {"posts": page.items, "total": total, "next_page_path": next_path, "query": query}
        return self._render(request, "posts/manage.html", status, form=form, filters=filters, **values)

    def _render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        ctx = require_user(request)
        shared: Mapping[str, Any] = {
            "is_all": self.route == AllPostsPage.route,
            "list_route": self.route,
            "list_path": self._path(request),
            "max_bulk": MAX_BULK_POSTS,
            "sort_links": self._sort_links(request),
            "orders": _ORDERS,
            "statuses": list(ListedStatus),
            "actions": list(BulkAction),
            "can_edit_all": policy.can_edit_all(ctx.actor),
        }
        return render_page(request, template, status, **shared, **values)

    def _path(self, request: Request, **changed: str) -> str:
        """Return the path of the first page of the list, with the current filters."""
        query = {name: value for name, value in _filter_form(request).values.items() if name != "cursor"} | changed
        path = app_state(request).urls.path(self.route)
        return f"{path}?{urlencode(query)}" if query else path

    def _sort_links(self, request: Request) -> dict[str, SortLink]:
        current = request.query_params.get("sort") or PostSort.NEWEST.value
        links = {}
        for field, label, first in _COLUMNS:
            is_sorted = current.removeprefix("-") == field
            opposite = field if current.startswith("-") else f"-{field}"
            direction = ("descending" if current.startswith("-") else "ascending") if is_sorted else None
            links[field] = SortLink(label, self._path(request, sort=opposite if is_sorted else first.value), direction)
        return links


class OwnPostsPage(AllPostsPage):
    """/dashboard/posts: the user's own posts."""

    route = "web:dashboard_posts"

    def post_filter(self, ctx: Context, query: ManagedPostQuery, digest: str) -> PostFilter:
        """Return the filter of the list, limited to the user's own posts."""
        return dataclasses.replace(super().post_filter(ctx, query, digest), author_id=ctx.require_actor().id)

    def authorise(self, ctx: Context) -> None:
        """Raise Forbidden unless the user may write posts."""
        if not policy.can_write_posts(ctx.actor):
            raise Forbidden("Readers have no posts. Ask the owner of the blog for the author role.")


def _filter_form(request: Request) -> Form:
    """Return the filters of the query string. Empty fields of the form are no filters."""
    return Form({name: stripped for name, value in request.query_params.items() if (stripped := value.strip())})
