"""Publish and unpublish static pages."""

from collections.abc import Mapping
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts.publication_checks import page_hints
from blog.domain.site import static_pages
from blog.domain.site.static_pages import StaticPage
from blog.errors import VersionConflict
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.framework.request.parsing import parse_number
from blog.framework.response.error_statuses import error_status
from blog.schemas.static_pages import PageStatus, StaticPageChanges
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import redirect_after_post

_CHANGED = "The page was changed after you opened this summary. Check the new version before you publish it."


class PublishStaticPage(FormPage[StaticPageChanges]):
    """/admin/pages/{id}/publish: what publishing means, then publish."""

    template, model = "site/static_page_publish.html", StaticPageChanges
    static_page: StaticPage

    async def load(self) -> Response | None:
        self.static_page = await static_pages.get(self.ctx, self.request.path_params["id"])
        if self.static_page.status is PageStatus.PUBLISHED:
            return redirect_after_post(self.request, "web:static_page", slug=self.static_page.slug)
        return None

    def parse(self) -> StaticPageChanges:
        return StaticPageChanges(status=PageStatus.PUBLISHED)

    async def submit(self, data: StaticPageChanges) -> Response:
        """Publish the version that the summary showed, and redirect to the page, which says what happened."""
        version = parse_number(self.form.value("version"))
        try:
            page = await static_pages.edit(self.ctx, self.static_page.id, data, if_match={version}, reserved=())
        except VersionConflict as error:
            self.static_page = await static_pages.get(self.ctx, self.static_page.id)
            self.form.errors[""] = _CHANGED
            return await self.render(error_status(error))
        return redirect_after_post(self.request, "web:static_page", query={"published": str(page.version)}, slug=page.slug)

    async def context(self) -> Mapping[str, Any]:
        page = self.static_page
        links = self.ctx.site.runtime_settings.links_to(f"/{page.slug}")
        is_empty = await anyio.to_thread.run_sync(static_pages.is_empty, page.html)
        return {"static_page": page, "is_empty": is_empty, "hints": list(page_hints(page)), "links": links}


class UnpublishStaticPage(Endpoint):
    """/admin/pages/{id}/unpublish: make a page a draft."""

    async def post(self, request: Request) -> Response:
        """Make the page a draft, and redirect to it. Raises NotAuthenticated, Forbidden, NotFound."""
        changes = StaticPageChanges(status=PageStatus.DRAFT)
        page = await static_pages.edit(require_user(request), request.path_params["id"], changes, reserved=())
        return redirect_after_post(request, "web:static_page", slug=page.slug)
