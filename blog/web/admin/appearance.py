"""The appearance of the site: its form, undo, export and import."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from blog.domain.site import appearance
from blog.errors import BlogError, FieldError, InvalidInput, MalformedInput
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form, split_lines
from blog.framework.request.parsing import decode_json, validate
from blog.framework.request.uploads import read_upload
from blog.schemas.accounts import EmptyForm
from blog.schemas.appearance import FILE_VERSION, Appearance, AppearanceFile
from blog.text.accent_colours import DEFAULT_ACCENT
from blog.web.rendering import site_form
from blog.web.rendering.form_page import FormEndpoint, FormPage
from blog.web.rendering.page import NO_STORE
from blog.web.rendering.redirects import redirect_after_post

_MAX_FILE_BYTES = 500_000
_CHOICES = ("show_author", "show_date", "show_reading_time", "show_related")
_MESSAGES = {"yes": "Appearance saved.", "undone": "Change undone.", "imported": "Appearance imported."}


class _AppearanceEndpoint(FormEndpoint[Appearance]):
    """Base of the form and the import: both show the page and store an appearance."""

    template, model, keeps_text = "admin/appearance.html", Appearance, True
    saved_query = "yes"

    async def load(self) -> None:
        """Load the appearance. Raises NotAuthenticated, Forbidden."""
        self.current = await appearance.current(self.ctx)

    async def submit(self, data: Appearance) -> Response:
        """Store the appearance. Pages follow at once."""
        await appearance.change(self.ctx, data)
        return redirect_after_post(self.request, "web:admin_appearance", query={"saved": self.saved_query})

    async def context(self) -> Mapping[str, Any]:
        return {
            "swatch": site_form.swatch(self.current.accent or DEFAULT_ACCENT),
            "can_undo": self.ctx.site.runtime_settings.preferences.previous_appearance is not None,
            "message": "" if self.form.errors else _MESSAGES.get(self.request.query_params.get("saved", ""), ""),
        }


class AppearancePage(_AppearanceEndpoint, FormPage[Appearance]):
    """/admin/appearance: the form."""

    def initial_form(self) -> Form:
        return _form(self.current)

    def parse(self) -> Appearance | None:
        return self.form.parse(
            Appearance,
            accent=site_form.parse_accent(self.form),
            social_links=split_lines(self.form.value("social_links")),
            **{name: self.form.value(name) == "true" for name in _CHOICES},
        )


class AppearanceImport(_AppearanceEndpoint):
    """/admin/appearance/import: replace the appearance by that of an exported file."""

    saved_query = "imported"

    async def post(self, request: Request) -> Response:
        """Store the appearance of the file. An invalid file changes nothing, and the page names each fault."""
        if response := await self.start(request):
            return response
        self.form = _form(self.current)
        try:
            async with read_upload(request, EmptyForm, limit=_MAX_FILE_BYTES) as (_, file):
                content = file.content.read()
            return await self.submit(_parse_file(content))
        except BlogError as error:
            return await self.render_error(error)


class AppearanceUndo(Endpoint):
    """/admin/appearance/undo: return to the appearance before the last change."""

    async def post(self, request: Request) -> Response:
        """Exchange the two appearances. Raises NotAuthenticated, Forbidden, Conflict."""
        await appearance.undo(require_user(request))
        return redirect_after_post(request, "web:admin_appearance", query={"saved": "undone"})


class AppearanceExport(Endpoint):
    """/admin/appearance/export: the appearance as a JSON file."""

    async def get(self, request: Request) -> Response:
        """Return the file. Raises NotAuthenticated, Forbidden."""
        exported = AppearanceFile(version=FILE_VERSION, appearance=await appearance.current(require_user(request)))
        headers = {"Content-Disposition": 'attachment; filename="appearance.json"', **NO_STORE}
        return JSONResponse(exported.model_dump(mode="json"), headers=headers)


def _form(current: Appearance) -> Form:
    return Form(
        {
            "accent": current.accent or DEFAULT_ACCENT,
            "colour_scheme": current.colour_scheme.value,
            "footer_text": current.footer_text,
            "custom_css": current.custom_css,
            "social_links": "\n".join(current.social_links),
            **{name: "true" if getattr(current, name) else "" for name in _CHOICES},
        }
    )


def _parse_file(content: bytes) -> Appearance:
    """Return the appearance of an exported file. Raises InvalidInput with one message for the field of the file."""
    try:
        return validate(AppearanceFile, decode_json(content), "body").appearance
    except MalformedInput:
        problem = "This is not a JSON file. Choose a file that was exported on this page."
    except InvalidInput as error:
        problem = ". ".join(f"{'.'.join(map(str, fault.loc[1:])) or 'file'}: {fault.msg}" for fault in error.errors)
    raise InvalidInput([FieldError(("body", "file"), problem, "appearance_file")])
