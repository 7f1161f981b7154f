"""Reminders, statistics and feature flags, for owners."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.read_models import attention
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
"""The selectable periods, in days."""


def requested_days(request: Request) -> int:
    """Return the period in `?days=`, or the shortest one if the query has none of them."""
    return next((days for days in PERIODS if str(days) == request.query_params.get("days")), PERIODS[0])


class AdminDashboard(Endpoint):
    """/admin: reminders, statistics of the last days, and feature flags."""

    async def get(self, request: Request) -> Response:
        """Show the dashboard, for 30 days or `?days=90`. Raises NotAuthenticated, Forbidden."""
        ctx = request_context(request)
        days = requested_days(request)
        numbers = await statistics.read(ctx, days)
        values: dict[str, Any] = {"statistics": numbers, "charts": daily_charts(numbers.days), "days": days, "choices": PERIODS}
        values |= {"attention": await attention.read(ctx), "flags": await feature_flags.list_flags(ctx)}
        return render_page(request, "admin/dashboard.html", **values)


class FlagSwitch(Endpoint):
    """/admin/flags/{name}: turn a feature on or off."""

    async def post(self, request: Request) -> Response:
        """Store the flag, and return to the dashboard. Raises NotAuthenticated, Forbidden, NotFound, InvalidInput."""
        ctx = require_user(request)
        form = await read_form(request)
        if (change := form.parse(FlagChange)) is None:
            raise InvalidInput((), "`enabled` must be true or false. Go back and use the buttons.")
        flag = await feature_flags.set_enabled(ctx, request.path_params["name"], change.enabled)
        return redirect_after_post(request, "web:admin", fragment=f"flag-{flag.name.value}")
