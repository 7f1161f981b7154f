"""The page of notifications."""

import contextlib
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import notifications
from blog.errors import Unavailable
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.web.rendering.page import render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post
from blog.web.rendering.unread_counts import get_unread_counts


class NotificationList(Endpoint):
    """/notifications: comments on the user's posts and replies to the user's comments."""

    async def get(self, request: Request) -> Response:
        """Show a page of notifications, newest first, and mark them as read."""
        ctx = request_context(request)
        page = await notifications.list_page(ctx, after=page_cursor(request))
        unread = [item for item in page.items if not item.is_read]
        if unread and request.method == "GET":
            with contextlib.suppress(Unavailable):  # The page works without a writable database: they stay unread.
                await notifications.mark_read(ctx, unread)
        counts = get_unread_counts(request)
        return render_page(
            request,
            "comments/notifications.html",
            notifications=page.items,
            next_page_path=next_page_path(request, page.next),
            unread_counts=replace(counts, unread_notifications=max(0, counts.unread_notifications - len(unread))),
        )

    async def post(self, request: Request) -> Response:
        """Mark all notifications as read."""
        await notifications.mark_read(require_user(request))
        return redirect_after_post(request, "web:notifications")
