"""Static pages: the page for readers, and the forms for owners."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.media import embedded_images
from blog.domain.site import static_pages
from blog.domain.site.static_pages import StaticPage
from blog.errors import VersionConflict
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.parsing import parse_number
from blog.framework.request.state import app_state
from blog.framework.response.error_statuses import error_status
from blog.schemas.static_pages import StaticPageInput
from blog.text.embeds import frame_origins
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post


class StaticPageView(Endpoint):
    """/{slug}: a static page."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Show the page. Raises NotFound."""
        ctx = request_context(request)
        cache_until_event(request)
        page = await static_pages.by_slug(ctx, request.path_params["slug"])
        images = await embedded_images.find(ctx.db, page.html)
        return render_page(
            request, "site/static_page.html", static_page=page, images=images, frame_origins=frame_origins(page.html)
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


class NewStaticPage(FormPage[StaticPageInput]):
    """/admin/pages/new: create a page."""

    template, model, keeps_text = "site/static_page_form.html", StaticPageInput, True
    max_body_bytes = MAX_POST_BODY_BYTES
    static_page: StaticPage | None = None
    is_stale = False

    async def load(self) -> None:
        policy.require_owner(self.ctx)

    def parse(self) -> StaticPageInput | None:
        return self.form.parse(StaticPageInput, slug=self.form.value("slug").strip() or None, version=None)

    async def submit(self, data: StaticPageInput) -> Response:
        """Create the page, and redirect to it."""

        async def create() -> Response:
            page = await static_pages.create(self.ctx, data, reserved=app_state(self.request).urls.first_segments)
            return redirect_after_post(self.request, "web:static_page", slug=page.slug)

        return await run_once(self.request, self.ctx, self.form, create)

    async def context(self) -> Mapping[str, Any]:
        return {"static_page": self.static_page, "is_stale": self.is_stale}


class EditStaticPage(NewStaticPage):
    """/admin/pages/{id}: edit a page."""

    static_page: StaticPage

    async def load(self) -> None:
        self.static_page = await static_pages.get(self.ctx, self.request.path_params["id"])

    def initial_form(self) -> Form:
        page = self.static_page
        return Form({"title": page.title, "slug": page.slug, "content": page.content, "version": str(page.version)})

    async def submit(self, data: StaticPageInput) -> Response:
        """Save the page, and redirect to it; if the page changed in the meantime, show the form with a warning (412)."""
        page_id, reserved = self.static_page.id, app_state(self.request).urls.first_segments
        version = parse_number(self.form.value("version"))

        async def save() -> Response:
            page = await static_pages.edit(self.ctx, page_id, data, version=version, reserved=reserved)
            return redirect_after_post(self.request, "web:static_page", slug=page.slug)

        try:
            return await run_once(self.request, self.ctx, self.form, save)
        except VersionConflict as error:
            # Submitting the form again after the warning overwrites the newer version.
            self.form.values["version"] = str((await static_pages.get(self.ctx, page_id)).version)
            self.is_stale = True
            return await self.render(error_status(error))


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
