"""Pages that stand by themselves: for readers, and the forms of owners."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.site import static_pages
from blog.errors import BlogError, VersionConflict
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.framework.response.error_statuses import error_status
from blog.schemas.pages import StaticPageInput
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post


class StaticPageView(Endpoint):
    """/{slug} — one page, for readers."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """The page. Raises NotFound."""
        ctx = request_context(request)
        cache_until_event(request)
        found = await static_pages.by_slug(ctx, request.path_params["slug"])
        return render_page(request, "site/static_page.html", static_page=found)

    async def method_not_allowed(self, request: Request) -> Response:
        """405 for a page that is there; what is not there is 404, whatever is asked of it."""
        await static_pages.by_slug(request_context(request), request.path_params["slug"])
        return await super().method_not_allowed(request)


class StaticPageList(Endpoint):
    """/admin/pages — all of them."""

    async def get(self, request: Request) -> Response:
        """The pages by title. Raises NotSignedIn, Forbidden."""
        ctx = request_context(request)
        policy.require_owner(ctx)
        return render_page(request, "admin/pages.html", pages=await static_pages.all_pages(ctx))


class NewStaticPage(Endpoint):
    """/admin/pages/new — another one."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotSignedIn, Forbidden."""
        policy.require_owner(request_context(request))
        return render_page(request, "admin/page_form.html", form=Form(), static_page=None, is_stale=False)

    async def post(self, request: Request) -> Response:
        """Write it; on to the page."""
        ctx = require_user(request)
        policy.require_owner(ctx)
        form = await read_form(request)
        new = _parse_page(form)
        if new is None:
            return render_invalid(request, "admin/page_form.html", form, static_page=None, is_stale=False)
        try:
            made = await static_pages.create(ctx, new, reserved=app_state(request).urls.first_segments)
        except BlogError as error:
            return render_error(request, "admin/page_form.html", form, error, static_page=None, is_stale=False)
        return redirect_after_post(request, "web:static_page", slug=made.slug)


class EditStaticPage(Endpoint):
    """/admin/pages/{id} — change one."""

    async def get(self, request: Request) -> Response:
        """The form with the present text. Raises NotSignedIn, Forbidden, NotFound."""
        found = await static_pages.get(request_context(request), request.path_params["id"])
        values = {"title": found.title, "slug": found.slug, "content": found.content, "version": str(found.version)}
        return render_page(request, "admin/page_form.html", form=Form(values), static_page=found, is_stale=False)

    async def post(self, request: Request) -> Response:
        """Save it, unless somebody else did since the form was opened: then the typed text comes back, 412."""
        ctx = require_user(request)
        form = await read_form(request)
        found = await static_pages.get(ctx, request.path_params["id"])
        new = _parse_page(form)
        if new is None:
            return render_invalid(request, "admin/page_form.html", form, static_page=found, is_stale=False)
        try:
            reserved = app_state(request).urls.first_segments
            saved = await static_pages.edit(ctx, found.id, new, version=submitted_version(form), reserved=reserved)
        except VersionConflict as error:
            # Who has read the warning may decide to replace the newer text.
            form.values["version"] = str((await static_pages.get(ctx, found.id)).version)
            return render_page(request, "admin/page_form.html", error_status(error), form=form, static_page=found, is_stale=True)
        except BlogError as error:
            return render_error(request, "admin/page_form.html", form, error, static_page=found, is_stale=False)
        return redirect_after_post(request, "web:static_page", slug=saved.slug)


class DeleteStaticPage(Endpoint):
    """/admin/pages/{id}/delete — take one away."""

    async def get(self, request: Request) -> Response:
        """Ask once more."""
        found = await static_pages.get(request_context(request), request.path_params["id"])
        return render_page(request, "admin/page_delete.html", static_page=found)

    async def post(self, request: Request) -> Response:
        """Delete it; on to the others."""
        await static_pages.delete(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:admin_pages")


def _parse_page(form: Form) -> StaticPageInput | None:
    return form.parse(StaticPageInput, slug=form.value("slug").strip() or None, version=None)


def submitted_version(form: Form) -> int:
    """The version that the writer began with. What is no number is no version: 0 is always stale."""
    sent = form.value("version")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0
