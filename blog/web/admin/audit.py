"""What happened to accounts and rights, for owners."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import accounts
from blog.domain.core import audit
from blog.domain.core.audit import Act, Wanted
from blog.domain.core.context import Context
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context
from blog.web.posts.reading import cursor_in, older
from blog.web.rendering.page import page

_LONGEST_NAME = 100


class AuditPage(Endpoint):
    """/admin/audit — the audit log."""

    async def get(self, request: Request) -> Response:
        """A page of it, newest first; `?act=` and `?user=` narrow it. Raises NotSignedIn, Forbidden."""
        ctx = context(request)
        act = next((act for act in Act if act.value == request.query_params.get("act")), None)
        name = request.query_params.get("user", "").strip()[:_LONGEST_NAME]
        found = await audit.page(ctx, Wanted(act, await _user_id(ctx, name)), cursor_in(request))
        values: dict[str, Any] = {
            "entries": found.items,
            "older": older(request, found.next),
            "acts": list(Act),
            "act": act,
            "user": name,
        }
        return page(request, "administration/audit.html", days=ctx.site.settings.audit_days, **values)


async def _user_id(ctx: Context, name: str) -> int | None:
    """The account that was named; of an unknown name, one that nobody has."""
    try:
        return (await accounts.named(ctx, name)).id if name else None
    except NotFound:
        return 0
