"""The page of what one was told."""

import contextlib
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import notifications
from blog.domain.comments.models import Notification
from blog.domain.core.context import Context
from blog.errors import Unavailable
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.web.rendering.page import render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post
from blog.web.rendering.unread_counts import get_unread_counts


class NotificationList(Endpoint):
    """/notifications — comments on one's posts and answers to what one said, newest first."""

    async def get(self, request: Request) -> Response:
        """A page of them; what is shown is read from then on."""
        ctx = request_context(request)
        found = await notifications.list_page(ctx, after=page_cursor(request))
        fresh = [notice for notice in found.items if not notice.is_read]
        if fresh and request.method == "GET":
            await _mark_read(ctx, fresh)
        counts = get_unread_counts(request)
        left = replace(counts, unread_notifications=max(0, counts.unread_notifications - len(fresh)))
        more = next_page_path(request, found.next)
        return render_page(request, "comments/notifications.html", notices=found.items, next_page_path=more, unread_counts=left)

    async def post(self, request: Request) -> Response:
        """Mark all of them as read; back to the list."""
        await notifications.mark_read(require_user(request))
        return redirect_after_post(request, "web:notifications")


async def _mark_read(ctx: Context, shown: list[Notification]) -> None:
    with contextlib.suppress(Unavailable):  # reading needs no writer: they are read the next time
        await notifications.mark_read(ctx, shown)
