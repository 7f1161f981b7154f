"""The audit log of accounts and permissions, for owners."""

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
from blog.web.rendering.page import render_page
from blog.web.rendering.pagination import next_page_path, page_cursor

_MAX_NAME_LENGTH = 100


class AuditPage(Endpoint):
    """/admin/audit: the audit log."""

    async def get(self, request: Request) -> Response:
        """Show a page of entries, newest first. `?action=` and `?user=` filter. Raises NotAuthenticated, Forbidden."""
        ctx = request_context(request)
        action = next((item for item in AuditAction if item.value == request.query_params.get("action")), None)
        name = request.query_params.get("user", "").strip()[:_MAX_NAME_LENGTH]
        page = await audit.list_page(ctx, AuditFilter(action, await _user_id(ctx, name)), page_cursor(request))
        values: dict[str, Any] = {
            "entries": page.items,
            "next_page_path": next_page_path(request, page.next),
            "actions": list(AuditAction),
            "action": action,
            "user": name,
        }
        return render_page(request, "admin/audit.html", days=ctx.site.settings.audit_retention_days, **values)


async def _user_id(ctx: Context, name: str) -> int | None:
    """Return the id of a user; 0, which matches no entry, for an unknown name."""
    try:
        return (await accounts.by_username(ctx, name)).id if name else None
    except NotFound:
        return 0
