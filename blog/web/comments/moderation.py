"""The moderation queue."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.comments import moderation_queue
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.schemas.comments import BulkDecision, CommentStatus, Decision
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.pagination import page_cursor
from blog.web.rendering.redirects import redirect_after_post

_FIELD_PREFIX = "comment-"
_NONE_SELECTED = "Choose at least one comment"
_MAX_COUNT = 1000


class ModerationPage(FormPage[BulkDecision]):
    """/moderation: pending comments, or removed ones with `?status=removed`."""

    template, model = "comments/moderation.html", BulkDecision

    async def load(self) -> None:
        """Raise Forbidden unless the user is a moderator."""
        moderation_queue.require_moderator(self.ctx)

    def parse(self) -> BulkDecision | None:
        """Collect the ids: each checkbox is a field named after its comment, which needs no JavaScript."""
        ids = [name.removeprefix(_FIELD_PREFIX) for name in self.form.values if name.startswith(_FIELD_PREFIX)]
        sent = Form({"status": self.form.value("status")})
        decisions = sent.parse(BulkDecision, ids=ids)
        if decisions is None:
            self.form.errors = sent.errors | ({} if ids else {"ids": _NONE_SELECTED})
        return decisions

    async def context(self) -> Mapping[str, Any]:
        """Return one page of the queue, newest first, and the decision that the last form made."""
        status = self._status()
        cases = await moderation_queue.list_page(self.ctx, status, after=page_cursor(self.request))
        cursor = pagination.encode_cursor(cases.next)
        path, query = app_state(self.request).urls.path("web:moderation"), {"status": status.value, "cursor": cursor}
        return {
            "listed": status.value,
            "queue": cases.items,
            "next_page_path": f"{path}?{urlencode(query)}" if cursor else None,
            "done": _last_decision(self.request) if self.request.method != "POST" else None,
        }

    async def submit(self, data: BulkDecision) -> Response:
        """Apply the decision to the selected comments."""
        changed = await moderation_queue.moderate(self.ctx, data)
        query = {"status": self._status().value, "decided": data.status.value, "comments": str(changed)}
        return redirect_after_post(self.request, "web:moderation", query=query)

    def _status(self) -> CommentStatus:
        sent = self.form.value("list") if self.request.method == "POST" else self.request.query_params.get("status")
        return CommentStatus.REMOVED if sent == CommentStatus.REMOVED else CommentStatus.PENDING


def _last_decision(request: Request) -> tuple[str, int] | None:
    """Return the decision and the number of comments in the query, or None if they are missing or invalid."""
    decided, comments = request.query_params.get("decided"), request.query_params.get("comments", "")
    if decided not in set(Decision) or not (comments.isascii() and comments.isdigit()) or int(comments[:5]) > _MAX_COUNT:
        return None
    return str(decided), int(comments[:5])
