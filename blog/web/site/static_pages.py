"""Pages that stand by themselves: for readers, and the forms of owners."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.site import static_pages
from blog.errors import BlogError, StaleVersion
from blog.framework.caching.response_cache import share
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.framework.response.error_statuses import status_of
from blog.schemas.pages import NewFixedPage
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import see_other


class ReadFixedPage(Endpoint):
    """/{slug} — one page, for readers."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """The page. Raises NotFound."""
        ctx = context(request)
        share(request)
        found = await static_pages.find(ctx, request.path_params["slug"])
        return page(request, "reading/page.html", fixed=found)

    async def method_not_allowed(self, request: Request) -> Response:
        """405 for a page that is there; what is not there is 404, whatever is asked of it."""
        await static_pages.find(context(request), request.path_params["slug"])
        return await super().method_not_allowed(request)


class FixedPageList(Endpoint):
    """/admin/pages — all of them."""

    async def get(self, request: Request) -> Response:
        """The pages by title. Raises NotSignedIn, Forbidden."""
        ctx = context(request)
        policy.require_owner(ctx)
        return page(request, "administration/pages.html", pages=await static_pages.all_pages(ctx))


class NewFixedPagePage(Endpoint):
    """/admin/pages/new — another one."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotSignedIn, Forbidden."""
        policy.require_owner(context(request))
        return page(request, "administration/page_form.html", form=Form(), fixed=None, is_stale=False)

    async def post(self, request: Request) -> Response:
        """Write it; on to the page."""
        ctx = signed_in(request)
        policy.require_owner(ctx)
        form = await read_form(request)
        new = _typed(form)
        if new is None:
            return invalid(request, "administration/page_form.html", form, fixed=None, is_stale=False)
        try:
            made = await static_pages.create(ctx, new, reserved=services(request).links.first_segments)
        except BlogError as error:
            return refused(request, "administration/page_form.html", form, error, fixed=None, is_stale=False)
        return see_other(request, "web:page", slug=made.slug)


class EditFixedPagePage(Endpoint):
    """/admin/pages/{id} — change one."""

    async def get(self, request: Request) -> Response:
        """The form with the present text. Raises NotSignedIn, Forbidden, NotFound."""
        found = await static_pages.get(context(request), request.path_params["id"])
        values = {"title": found.title, "slug": found.slug, "content": found.content, "version": str(found.version)}
        return page(request, "administration/page_form.html", form=Form(values), fixed=found, is_stale=False)

    async def post(self, request: Request) -> Response:
        """Save it, unless somebody else did since the form was opened: then the typed text comes back, 412."""
        ctx = signed_in(request)
        form = await read_form(request)
        found = await static_pages.get(ctx, request.path_params["id"])
        new = _typed(form)
        if new is None:
            return invalid(request, "administration/page_form.html", form, fixed=found, is_stale=False)
        try:
            reserved = services(request).links.first_segments
            saved = await static_pages.edit(ctx, found.id, new, version=version_in(form), reserved=reserved)
        except StaleVersion as error:
            # Who has read the warning may decide to replace the newer text.
            form.values["version"] = str((await static_pages.get(ctx, found.id)).version)
            return page(request, "administration/page_form.html", status_of(error), form=form, fixed=found, is_stale=True)
        except BlogError as error:
            return refused(request, "administration/page_form.html", form, error, fixed=found, is_stale=False)
        return see_other(request, "web:page", slug=saved.slug)


class DeleteFixedPagePage(Endpoint):
    """/admin/pages/{id}/delete — take one away."""

    async def get(self, request: Request) -> Response:
        """Ask once more."""
        found = await static_pages.get(context(request), request.path_params["id"])
        return page(request, "administration/page_delete.html", fixed=found)

    async def post(self, request: Request) -> Response:
        """Delete it; on to the others."""
        await static_pages.delete(signed_in(request), request.path_params["id"])
        return see_other(request, "web:admin_pages")


def _typed(form: Form) -> NewFixedPage | None:
    return form.parse(NewFixedPage, slug=form.value("slug").strip() or None, version=None)


def version_in(form: Form) -> int:
    """The version that the writer began with. What is no number is no version: 0 is always stale."""
    sent = form.value("version")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0
