"""The list of members, for owners."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import administration, user_directory
from blog.domain.accounts.user_directory import MemberFilter
from blog.schemas.accounts import Role, RoleChange
from blog.schemas.members import MemberSort, MemberStatus
from blog.web.accounts.reauthentication import needs_reauthentication
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import current_path

_MAX_SEARCH_LENGTH = 200


class UserList(FormPage[RoleChange]):
    """/admin/members: the members and their roles, with a search (`?q=`), filters (`role`, `status`) and an order (`sort`)."""

    template, model = "admin/members.html", RoleChange

    async def submit(self, data: RoleChange) -> Response:
        """Change the role of a member, and return to the same page of the list."""
        user = await administration.set_role(self.ctx, data.user, data.role)
        return RedirectResponse(f"{current_path(self.request)}#member-{user.id}", 303)

    async def context(self) -> Mapping[str, Any]:
        wanted = _member_filter(self.request)
        page = await user_directory.list_page(self.ctx, wanted)
        return {
            "members": page.items,
            "is_only_member": len(page.items) == 1 and wanted == MemberFilter(),
            "next_page_path": next_page_path(self.request, page.next),
            "wanted": wanted,
            "done": self.request.query_params.get("done"),
            "roles": list(Role),
            "statuses": list(MemberStatus),
            "action": current_path(self.request),
            "needs_reauthentication": needs_reauthentication(self.ctx),
        }


def _member_filter(request: Request) -> MemberFilter:
    """Return the filter in the query. Values that no control of the page sends count as absent."""
    sent = request.query_params
    text, role, status, sort = (sent.get(name, "") for name in ("q", "role", "status", "sort"))
    return MemberFilter(
        text.strip()[:_MAX_SEARCH_LENGTH],
        Role(role) if role in set(Role) else None,
        MemberStatus(status) if status in set(MemberStatus) else None,
        MemberSort(sort) if sort in set(MemberSort) else MemberSort.NEWEST,
        after=page_cursor(request),
    )
