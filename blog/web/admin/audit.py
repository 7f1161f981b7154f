"""What happened to accounts and rights, for owners."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import accounts
from blog.domain.core import audit
from blog.domain.core.audit import AuditAction, AuditFilter
from blog.domain.core.context import Context
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.web.posts.reading import next_page_path, page_cursor
from blog.web.rendering.page import render_page

_MAX_NAME_LENGTH = 100


class AuditPage(Endpoint):
    """/admin/audit — the audit log."""

    async def get(self, request: Request) -> Response:
        """A page of it, newest first; `?action=` and `?user=` narrow it. Raises NotSignedIn, Forbidden."""
        ctx = request_context(request)
        action = next((item for item in AuditAction if item.value == request.query_params.get("action")), None)
        name = request.query_params.get("user", "").strip()[:_MAX_NAME_LENGTH]
        found = await audit.list_page(ctx, AuditFilter(action, await _user_id(ctx, name)), page_cursor(request))
        values: dict[str, Any] = {
            "entries": found.items,
            "next_page_path": next_page_path(request, found.next),
            "actions": list(AuditAction),
            "action": action,
            "user": name,
        }
        return render_page(request, "admin/audit.html", days=ctx.site.settings.audit_retention_days, **values)


async def _user_id(ctx: Context, name: str) -> int | None:
    """The account that was named; of an unknown name, one that nobody has."""
    try:
        return (await accounts.by_username(ctx, name)).id if name else None
    except NotFound:
        return 0
