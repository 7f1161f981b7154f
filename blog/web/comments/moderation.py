"""The moderation queue."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.comments import moderation_queue
from blog.domain.comments.moderation_queue import QueueFilter
from blog.domain.core import policy
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.schemas.comments import BulkDecision, CommentStatus, Decision
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.pagination import page_cursor

_FIELD_PREFIX = "comment-"
_ROW_FIELD = "row"
_NONE_SELECTED = "Choose at least one comment"
_MAX_COUNT = 1000
_MAX_FILTER_LENGTH = 200


class ModerationPage(FormPage[BulkDecision]):
    """/moderation: pending comments, or those with `?status=`, filtered by `post` (slug), `person` (username) and `q` (text)."""

    template, model = "comments/moderation.html", BulkDecision

    async def load(self) -> None:
        """Raise Forbidden unless the user is a moderator."""
        moderation_queue.require_moderator(self.ctx)

    def parse(self) -> BulkDecision | None:
        """Collect the ids: each checkbox is a field named after its comment, which needs no JavaScript.

        A button of one row sends the decision and the id, as in `spam-12`, and the checkboxes do not count.
        """
        status = self.form.value("status")
        if row := self.form.value(_ROW_FIELD):
            status, _, row_id = row.partition("-")
            ids = [row_id]
        else:
            ids = [name.removeprefix(_FIELD_PREFIX) for name in self.form.values if name.startswith(_FIELD_PREFIX)]
        sent = Form({"status": status})
        decisions = sent.parse(BulkDecision, ids=ids)
        if decisions is None:
            self.form.errors = sent.errors | ({} if ids else {"ids": _NONE_SELECTED})
        return decisions

    async def context(self) -> Mapping[str, Any]:
        """Return one page of the queue, newest first, and the decision that the last form made."""
        wanted = _queue_filter(self.request)
        page = await moderation_queue.list_page(self.ctx, wanted)
        cursor = pagination.encode_cursor(page.next)
        return {
            "wanted": wanted,
            "queue": page.items,
            "action": self._path({}),
            "next_page_path": self._path({"cursor": cursor}) if cursor else None,
            "done": _last_decision(self.request) if self.request.method != "POST" else None,
            "can_suspend": policy.is_owner(self.ctx.actor),
        }

    async def submit(self, data: BulkDecision) -> Response:
        """Apply the decision to the selected comments."""
        changed = await moderation_queue.moderate(self.ctx, data)
        return RedirectResponse(self._path({"decided": data.status.value, "comments": str(changed)}), 303)

    def _path(self, more: Mapping[str, str]) -> str:
        """Return the path of the page with the same filter and with further parameters."""
        wanted = _queue_filter(self.request)
        values = {"status": wanted.status.value, "post": wanted.post, "person": wanted.person, "q": wanted.text, **more}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{app_state(self.request).urls.path('web:moderation')}?{query}"


def _queue_filter(request: Request) -> QueueFilter:
    status, post, person, text = (
        request.query_params.get(name, "").strip()[:_MAX_FILTER_LENGTH] for name in ("status", "post", "person", "q")
    )
    known = CommentStatus(status) if status in set(CommentStatus) else CommentStatus.PENDING
    return QueueFilter(known, post, person, text, limit=moderation_queue.PAGE_SIZE, after=page_cursor(request))


def _last_decision(request: Request) -> tuple[str, int] | None:
    """Return the decision and the number of comments in the query, or None if they are missing or invalid."""
    decided, comments = request.query_params.get("decided"), request.query_params.get("comments", "")
    if decided not in set(Decision) or not (comments.isascii() and comments.isdigit()) or int(comments[:5]) > _MAX_COUNT:
        return None
    return str(decided), int(comments[:5])
