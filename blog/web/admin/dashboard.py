"""How the blog is doing, and what can be switched."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.site import feature_flags, statistics
from blog.errors import InvalidInput
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import read_form
from blog.schemas.feature_flags import FlagChange
from blog.web.admin.charts import daily_charts
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

PERIODS = (30, 90)
"""For how many days the numbers can be shown."""


class AdminDashboard(Endpoint):
    """/admin — the last days in numbers, and the switches."""

    async def get(self, request: Request) -> Response:
        """Both, for 30 days or `?days=90`. Raises NotSignedIn, Forbidden."""
        ctx = request_context(request)
        days = next((days for days in PERIODS if str(days) == request.query_params.get("days")), PERIODS[0])
        numbers = await statistics.read(ctx, days)
        values: dict[str, Any] = {"numbers": numbers, "plots": daily_charts(numbers.days), "days": days, "periods": PERIODS}
        return render_page(request, "admin/admin.html", flags=await feature_flags.list_flags(ctx), **values)


class FlagSwitch(Endpoint):
    """/admin/flags/{name} — one flag."""

    async def post(self, request: Request) -> Response:
        """Switch it. Raises NotSignedIn, Forbidden, NotFound, InvalidInput."""
        ctx = require_user(request)
        form = await read_form(request)
        if (change := form.parse(FlagChange)) is None:
            raise InvalidInput((), "Nothing was switched: go back and use the buttons")
        flag = await feature_flags.set_enabled(ctx, request.path_params["name"], change.enabled)
        return redirect_after_post(request, "web:admin", fragment=f"flag-{flag.name.value}")
