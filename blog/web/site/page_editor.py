"""The editor of static pages, the same as that of posts: drafts, autosaves and previews."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.posts import autosaves, diffs
from blog.domain.posts.autosaves import TextKind
from blog.domain.posts.diffs import PostDiff
from blog.domain.site import static_pages
from blog.domain.site.static_pages import StaticPage
from blog.errors import NotAuthenticated, NotFound, VersionConflict
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.parsing import parse_number
from blog.framework.request.state import app_state
from blog.framework.response.error_statuses import error_status
from blog.schemas.static_pages import PageStatus, StaticPageChanges, StaticPageInput
from blog.web.posts.autosave import (
    SESSION_EXPIRED,
    AutosaveOffer,
    autosave_id,
    render_preview_page,
    restore_autosave,
    save_autosave,
)
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_error
from blog.web.rendering.redirects import redirect_after_post

M = TypeVar("M", bound=StaticPageInput)
_TEMPLATE = "site/page_editor.html"
_PAGE_GONE = "This page was deleted while you were writing. Your text is below: save it as a new page."


class NewStaticPage(FormPage[StaticPageInput]):
    """/admin/pages/new: create a page."""

    template, model, keeps_text = _TEMPLATE, StaticPageInput, True
    max_body_bytes = MAX_POST_BODY_BYTES
    autosave_offer: AutosaveOffer | None = None

    async def load(self) -> None:
        policy.require_owner(self.ctx)

    async def get(self, request: Request) -> Response:
        """Show the empty form, or with `?autosave=` the restored one."""
        await self.start(request)
        self.form, self.autosave_offer = await restore_autosave(request, self.ctx, Form(), TextKind.PAGE)
        return await self.render()

    async def post(self, request: Request) -> Response:
        """Save the form. Without a session show it again, so that an expired session loses no text."""
        if request_context(request).actor is None:
            return _signed_out(request, await read_form(request, max_bytes=MAX_POST_BODY_BYTES))
        return await super().post(request)

    def parse(self) -> StaticPageInput | None:
        self.form.values.setdefault("status", PageStatus.DRAFT.value)
        return _parse_page(self.form, StaticPageInput)

    async def submit(self, data: StaticPageInput) -> Response:
        """Create the page, a draft unless the form has another status, and redirect to it."""

        async def create() -> Response:
            page = await static_pages.create(self.ctx, data, reserved=app_state(self.request).urls.first_segments)
            await autosaves.discard_saved(self.ctx, autosave_id(self.form))
            return _redirect_to_saved(self.request, self.form, page)

        return await run_once(self.request, self.ctx, self.form, create)

    async def context(self) -> Mapping[str, Any]:
        return {"autosave_offer": self.autosave_offer} if self.autosave_offer else {}


class EditStaticPage(FormPage[StaticPageChanges]):
    """/admin/pages/{id}: edit a page."""

    template, model, keeps_text = _TEMPLATE, StaticPageChanges, True
    max_body_bytes = MAX_POST_BODY_BYTES
    static_page: StaticPage
    autosave_offer: AutosaveOffer | None = None
    conflict: PostDiff | None = None

    async def load(self) -> None:
        self.static_page = await static_pages.get(self.ctx, self.request.path_params["id"])

    async def get(self, request: Request) -> Response:
        """Show the form with the current page, or with `?autosave=` the restored form."""
        await self.start(request)
        form = _form_of(self.static_page)
        self.form, self.autosave_offer = await restore_autosave(request, self.ctx, form, self.static_page)
        return await self.render()

    async def post(self, request: Request) -> Response:
        """Save the changes. Without a session, or if the page was deleted, show the form again."""
        if request_context(request).actor is None:
            form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
            return _signed_out(request, form, request.path_params["id"])
        try:
            return await super().post(request)
        except NotFound:
            form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
            form.values |= {"slug": "", "version": ""}
            return render_error(request, _TEMPLATE, form, NotFound(_PAGE_GONE))

    def parse(self) -> StaticPageChanges | None:
        return _parse_page(self.form, StaticPageChanges)

    async def submit(self, data: StaticPageChanges) -> Response:
        """Save the page and redirect to it; if it changed since the form was opened, show both versions (412)."""
        version, reserved = parse_number(self.form.value("version")), app_state(self.request).urls.first_segments

        async def save() -> Response:
            page = await static_pages.edit(self.ctx, self.static_page.id, data, if_match={version}, reserved=reserved)
            await autosaves.discard_saved(self.ctx, autosave_id(self.form))
            return _redirect_to_saved(self.request, self.form, page)

        try:
            return await run_once(self.request, self.ctx, self.form, save)
        except VersionConflict as error:
            theirs = self.static_page = await static_pages.get(self.ctx, self.static_page.id)
            # Submitting the form again after the warning overwrites the newer version.
            self.form.values["version"] = str(theirs.version)
            mine = replace(theirs, title=data.title, slug=data.slug or theirs.slug, content=data.content)
            self.conflict = await diffs.compare_pages(theirs, mine, self.ctx.site.formats)
            return await self.render(error_status(error))

    async def context(self) -> Mapping[str, Any]:
        page, query = self.static_page, self.request.query_params
        is_saved = page.status is PageStatus.DRAFT and parse_number(query.get("saved", "")) == page.version
        offer = {"autosave_offer": self.autosave_offer} if self.autosave_offer else {}
        return {"static_page": page, "conflict": self.conflict, "is_saved": is_saved, **offer}


class NewPageAutosave(Endpoint):
    """/admin/pages/new/autosave: autosave of a new page."""

    async def post(self, request: Request) -> Response:
        """Store the form, as for a new post."""
        return await save_autosave(request, require_user(request), TextKind.PAGE)


class PageAutosave(Endpoint):
    """/admin/pages/{id}/autosave: autosave of changes to a page."""

    async def post(self, request: Request) -> Response:
        """Store the form, as for a post."""
        ctx = require_user(request)
        return await save_autosave(request, ctx, await static_pages.get(ctx, request.path_params["id"]))


class NewPagePreview(Endpoint):
    """/admin/pages/new/preview: preview of a new page."""

    async def post(self, request: Request) -> Response:
        """Return the editor page with the preview."""
        ctx, form = request_context(request), await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        if ctx.actor is None:
            return _signed_out(request, form)
        policy.require_owner(ctx)
        return await render_preview_page(request, ctx, form, _TEMPLATE)


class PagePreview(Endpoint):
    """/admin/pages/{id}/preview: preview of changes to a page."""

    async def post(self, request: Request) -> Response:
        """Return the editor page with the preview."""
        ctx, form = request_context(request), await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        if ctx.actor is None:
            return _signed_out(request, form, request.path_params["id"])
        page = await static_pages.get(ctx, request.path_params["id"])
        return await render_preview_page(request, ctx, form, _TEMPLATE, static_page=page)


def _form_of(page: StaticPage) -> Form:
    names = ("title", "slug", "content", "status")
    return Form({"version": str(page.version), **{name: str(getattr(page, name)) for name in names}})


def _parse_page(form: Form, model: type[M]) -> M | None:
    """Return the form as `model`, or None with messages in `form.errors`."""
    return form.parse(model, slug=form.value("slug").strip() or None, version=None, autosave=None, then=None)


def _redirect_to_saved(request: Request, form: Form, page: StaticPage) -> Response:
    """Redirect to the page that the button named; from a draft back to the editor, to go on writing; else to the page."""
    if page.status is PageStatus.PUBLISHED:
        return redirect_after_post(request, "web:static_page", slug=page.slug)
    if form.value("then"):
        return redirect_after_post(request, "web:admin_page_publish", id=page.id)
    return redirect_after_post(request, "web:admin_page", query={"saved": str(page.version)}, id=page.id)


def _signed_out(request: Request, form: Form, page_id: int | None = None) -> Response:
    """Return the form again without loading the page, so that nothing of a draft is revealed. `page_id`: None for a new page."""
    path = app_state(request).urls.path
    editor = path("web:admin_page_new") if page_id is None else path("web:admin_page", id=page_id)
    error = NotAuthenticated(SESSION_EXPIRED)
    return render_error(request, _TEMPLATE, form, error, page_id=page_id, return_path=editor)
