"""The page of what one was told."""

import contextlib
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import notifications
from blog.domain.core.context import Context
from blog.domain.core.models import Notice
from blog.errors import Unavailable
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.web.posts.reading import cursor_in, older
from blog.web.rendering.page import page
from blog.web.rendering.redirects import see_other
from blog.web.rendering.unread_counts import tally_of


class NoticeList(Endpoint):
    """/notices — comments on one's posts and answers to what one said, newest first."""

    async def get(self, request: Request) -> Response:
        """A page of them; what is shown is read from then on."""
        ctx = context(request)
        found = await notifications.page(ctx, after=cursor_in(request))
        fresh = [notice for notice in found.items if not notice.is_read]
        if fresh and request.method == "GET":
            await _note(ctx, fresh)
        tally = tally_of(request)
        left = replace(tally, unread=max(0, tally.unread - len(fresh)))
        more = older(request, found.next)
        return page(request, "notices/notices.html", notices=found.items, older=more, tally=left)

    async def post(self, request: Request) -> Response:
        """Mark all of them as read; back to the list."""
        await notifications.mark_read(signed_in(request))
        return see_other(request, "web:notices")


async def _note(ctx: Context, shown: list[Notice]) -> None:
    with contextlib.suppress(Unavailable):  # reading needs no writer: they are read the next time
        await notifications.mark_read(ctx, shown)
