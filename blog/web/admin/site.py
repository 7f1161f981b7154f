"""What the blog is called, how it looks, and how its discussions are kept in order."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core import policy
from blog.domain.site import site_preferences
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.site_preferences import Preferences, PreferencesChanges
from blog.web.rendering.page import render_error, render_invalid, render_page


class SitePage(Endpoint):
    """/admin/site — the preferences."""

    async def get(self, request: Request) -> Response:
        """The form as things are. Raises NotSignedIn, Forbidden."""
        ctx = request_context(request)
        policy.require_owner(ctx)
        form = _form_from_preferences(ctx.site.runtime_settings.preferences)
        return render_page(request, "admin/site.html", form=form, saved="saved" in request.query_params)

    async def post(self, request: Request) -> Response:
        """Save all of it; the pages follow at once."""
        ctx = require_user(request)
        policy.require_owner(ctx)
        form = await read_form(request)
        changes = form.parse(PreferencesChanges, **_parse_fields(form))
        if changes is None:
            return render_invalid(request, "admin/site.html", form, saved=False)
        try:
            # An emptied field takes the colour away; without the member it would stay.
            has_accent = "accent" in changes.model_fields_set
            await site_preferences.change(ctx, changes if has_accent else changes.model_copy(update={"accent": None}))
        except BlogError as error:
            return render_error(request, "admin/site.html", form, error, saved=False)
        return RedirectResponse(f"{app_state(request).urls.path('web:admin_site')}?saved=yes", 303)


def _parse_fields(form: Form) -> dict[str, Any]:
    """What the form says by lines, and by a box that is ticked or absent."""
    accent = form.value("accent").strip().lower()
    return {
        "accent": f"#{accent.removeprefix('#')}" if accent else None,
        "navigation": [_parse_link(line) for line in _split_lines(form.value("navigation"))],
        "held_words": _split_lines(form.value("held_words")),
        "hold_first_comment": form.value("hold_first_comment") == "true",
    }


def _parse_link(line: str) -> dict[str, str]:
    label, _, target = line.partition("|")
    return {"label": label.strip(), "target": target.strip()}


def _split_lines(text: str) -> list[str]:
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def _form_from_preferences(known: Preferences) -> Form:
    return Form(
        {
            "title": known.title,
            "description": known.description,
            "accent": known.accent or "",
            "navigation": "\n".join(f"{link.label} | {link.target}" for link in known.navigation),
            "hold_first_comment": "true" if known.hold_first_comment else "",
            "held_words": "\n".join(known.held_words),
            "most_links": str(known.most_links),
            "comment_edit_minutes": str(known.comment_edit_minutes),
        }
    )
