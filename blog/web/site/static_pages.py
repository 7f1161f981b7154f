"""Static pages: the page for readers, and the list for owners."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.media import embedded_images
from blog.domain.site import static_pages
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import parse_number
from blog.text.embeds import frame_origins
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post


class StaticPageView(Endpoint):
    """/{slug}: a static page."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Show the page. Raises NotFound, also for a draft if the user is not an owner."""
        ctx = request_context(request)
        cache_until_event(request)
        page = await static_pages.by_slug(ctx, request.path_params["slug"])
        images = await embedded_images.find(ctx.db, page.html)
        return render_page(
            request,
            "site/static_page.html",
            static_page=page,
            images=images,
            frame_origins=frame_origins(page.html),
            is_just_published=parse_number(request.query_params.get("published", "")) == page.version,
        )

    async def method_not_allowed(self, request: Request) -> Response:
        """Answer 405 for an existing page, and 404 for a missing one with any method."""
        await static_pages.by_slug(request_context(request), request.path_params["slug"])
        return await super().method_not_allowed(request)


class StaticPageList(Endpoint):
    """/admin/pages: all static pages."""

    async def get(self, request: Request) -> Response:
        """List the pages by title. Raises NotAuthenticated, Forbidden."""
        ctx = request_context(request)
        policy.require_owner(ctx)
        return render_page(request, "site/static_pages.html", pages=await static_pages.all_pages(ctx))


class DeleteStaticPage(Endpoint):
    """/admin/pages/{id}/delete: delete a page."""

    async def get(self, request: Request) -> Response:
        """Ask for confirmation. Raises NotAuthenticated, Forbidden, NotFound."""
        page = await static_pages.get(request_context(request), request.path_params["id"])
        return render_page(request, "site/static_page_delete.html", static_page=page)

    async def post(self, request: Request) -> Response:
        """Delete the page, and return to the list. Raises NotAuthenticated, Forbidden, NotFound."""
        await static_pages.delete(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:admin_pages")
