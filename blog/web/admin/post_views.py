"""The views of one post, by day."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.site import statistics
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.web.admin.charts import views_chart
from blog.web.admin.dashboard import PERIODS, requested_days
from blog.web.posts.loading import load_editable_post
from blog.web.rendering.page import render_page


class PostViewsPage(Endpoint):
    """/posts/{slug}/views: the views of a post in the last days, for its authors and editors."""

    async def get(self, request: Request) -> Response:
        """Show the views, for 30 days or `?days=90`. Raises NotAuthenticated, Forbidden, NotFound."""
        ctx = require_user(request)
        post = await load_editable_post(ctx, request)
        days = requested_days(request)
        views = await statistics.read_post(ctx, post, days)
        return render_page(
            request,
            "posts/views.html",
            post=post,
            total=views.total,
            views=views_chart(views.days),
            days=days,
            choices=PERIODS,
            can_edit_all=policy.can_edit_all(ctx.actor),
        )
