"""The page of moderators."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.comments import moderation_queue
from blog.domain.core.context import Context
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.schemas.comments import BulkDecision, CommentStatus, Decision
from blog.web.posts.reading import page_cursor
from blog.web.rendering.page import render_invalid, render_page

_FIELD_PREFIX = "comment-"
_NONE_SELECTED = "Choose at least one comment"
_MAX_COUNT = 1000


class ModerationPage(Endpoint):
    """/moderation — the comments that wait, or with `?status=removed` those that were removed."""

    async def get(self, request: Request) -> Response:
        """A page of them, newest first, and what was just decided."""
        values = await _values(request, request_context(request), _status(request.query_params.get("status")))
        return render_page(request, "comments/moderation.html", form=Form(), done=_last_decision(request), **values)

    async def post(self, request: Request) -> Response:
        """Decide about those that were chosen; back to the list."""
        ctx = require_user(request)
        moderation_queue.require_moderator(ctx)
        form = await read_form(request)
        status = _status(form.value("list"))
        decisions = _parse_decision(form)
        if decisions is None:
            return render_invalid(request, "comments/moderation.html", form, done=None, **await _values(request, ctx, status))
        changed = await moderation_queue.moderate(ctx, decisions)
        query = {"status": status.value, "decided": decisions.status.value, "comments": str(changed)}
        return RedirectResponse(_path(request, query), 303)


async def _values(request: Request, ctx: Context, status: CommentStatus) -> dict[str, Any]:
    found = await moderation_queue.list_page(ctx, status, after=page_cursor(request))
    cursor = pagination.encode_cursor(found.next)
    return {
        "listed": status.value,
        "cases": found.items,
        "older": _path(request, {"status": status.value, "cursor": cursor}) if cursor else None,
    }


def _parse_decision(form: Form) -> BulkDecision | None:
    """A box is named after its comment: without JavaScript, each is a field of its own."""
    ids = [name.removeprefix(_FIELD_PREFIX) for name in form.values if name.startswith(_FIELD_PREFIX)]
    sent = Form({"status": form.value("status")})
    decisions = sent.parse(BulkDecision, ids=ids)
    if decisions is None:
        form.errors = sent.errors | ({} if ids else {"ids": _NONE_SELECTED})
    return decisions


def _status(sent: str | None) -> CommentStatus:
    return CommentStatus.REMOVED if sent == CommentStatus.REMOVED else CommentStatus.PENDING


def _last_decision(request: Request) -> tuple[str, int] | None:
    """The last decision and the number of comments, out of the address that it led to."""
    decided, comments = request.query_params.get("decided"), request.query_params.get("comments", "")
    if decided not in set(Decision) or not (comments.isascii() and comments.isdigit()) or int(comments[:5]) > _MAX_COUNT:
        return None
    return str(decided), int(comments[:5])


def _path(request: Request, query: dict[str, str]) -> str:
    return f"{app_state(request).urls.path('web:moderation')}?{urlencode(query)}"
