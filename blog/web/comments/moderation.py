"""The page of moderators."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.comments import moderation_queue
from blog.domain.core.context import Context
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.framework.response import pagination
from blog.schemas.comments import CommentStatus, Decision, Decisions
from blog.web.posts.reading import cursor_in
from blog.web.rendering.page import invalid, page

_CHOSEN = "comment-"
_NOTHING = "Choose at least one comment"
_MOST_SHOWN = 1000


class ModerationPage(Endpoint):
    """/moderation — the comments that wait, or with `?status=removed` those that were removed."""

    async def get(self, request: Request) -> Response:
        """A page of them, newest first, and what was just decided."""
        values = await _values(request, context(request), _status(request.query_params.get("status")))
        return page(request, "moderation/moderation.html", form=Form(), done=_done(request), **values)

    async def post(self, request: Request) -> Response:
        """Decide about those that were chosen; back to the list."""
        ctx = signed_in(request)
        moderation_queue.require_moderator(ctx)
        form = await read_form(request)
        status = _status(form.value("list"))
        decisions = _decisions(form)
        if decisions is None:
            return invalid(request, "moderation/moderation.html", form, done=None, **await _values(request, ctx, status))
        changed = await moderation_queue.decide(ctx, decisions)
        query = {"status": status.value, "decided": decisions.status.value, "comments": str(changed)}
        return RedirectResponse(_path(request, query), 303)


async def _values(request: Request, ctx: Context, status: CommentStatus) -> dict[str, Any]:
    found = await moderation_queue.page(ctx, status, after=cursor_in(request))
    cursor = pagination.encode(found.next)
    return {
        "listed": status.value,
        "cases": found.items,
        "older": _path(request, {"status": status.value, "cursor": cursor}) if cursor else None,
    }


def _decisions(form: Form) -> Decisions | None:
    """A box is named after its comment: without JavaScript, each is a field of its own."""
    ids = [name.removeprefix(_CHOSEN) for name in form.values if name.startswith(_CHOSEN)]
    sent = Form({"status": form.value("status")})
    decisions = sent.parse(Decisions, ids=ids)
    if decisions is None:
        form.errors = sent.errors | ({} if ids else {"ids": _NOTHING})
    return decisions


def _status(sent: str | None) -> CommentStatus:
    return CommentStatus.REMOVED if sent == CommentStatus.REMOVED else CommentStatus.PENDING


def _done(request: Request) -> tuple[str, int] | None:
    """The last decision and the number of comments, out of the address that it led to."""
    decided, comments = request.query_params.get("decided"), request.query_params.get("comments", "")
    if decided not in set(Decision) or not (comments.isascii() and comments.isdigit()) or int(comments[:5]) > _MOST_SHOWN:
        return None
    return str(decided), int(comments[:5])


def _path(request: Request, query: dict[str, str]) -> str:
    return f"{services(request).links.path('web:moderation')}?{urlencode(query)}"
