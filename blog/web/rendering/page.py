"""Pages as answers: what every template is given, and what every page says to caches."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from blog.domain.core import policy
from blog.errors import BlogError
from blog.framework.identity.authentication import STRANGER
from blog.framework.request.forms import Form
from blog.framework.request.state import services
from blog.framework.response.error_statuses import headers_of, status_of
from blog.schemas.feature_flags import Flag
from blog.web.rendering import accent_styles
from blog.web.rendering.redirects import here, sign_in_path
from blog.web.rendering.theme import theme_of
from blog.web.rendering.unread_counts import tally_of

# A page shows who is signed in: browsers may keep it, but ask again each time, and nobody else keeps it.
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}
# These say what is nobody else's affair: after signing out not even the browser's own history shows them.
_UNKEPT = ("accounts/", "administration/")


def page(
    request: Request, template: str, status: int = 200, *, headers: Mapping[str, str] | None = None, **values: Any
) -> Response:
    """A template as an answer. `live_cursor` is the place in the event log at which the page was true, if it follows on."""
    # The state, not `context()`: a page that reports wrong credentials must not stumble over them again.
    actor = getattr(request.state, "identity", STRANGER).actor
    parts = services(request)
    on = parts.site.choices.on
    shared = {
        "actor": actor,
        "may_write": policy.may_write_posts(actor),
        "may_rule": policy.may_rule(actor),
        "tally": tally_of(request),
        "may_register": on(Flag.REGISTRATION),
        "comments_are_open": on(Flag.COMMENTS),
        "live_cursor": None,
        "preferences": parts.site.choices.preferences,
        "accent_styles": accent_styles.address(parts.site, parts.links),
        "sign_in_path": sign_in_path(request),
        "theme": theme_of(request),
        "path_here": here(request) if request.method in ("GET", "HEAD") else "",
    }
    shared |= values
    if not on(Flag.LIVE):
        shared["live_cursor"] = None
    html = parts.templates.render(template, **shared)
    kept = {"Cache-Control": "no-store"} if template.startswith(_UNKEPT) else {}
    return HTMLResponse(html, status, {**_HEADERS, **kept, **(headers or {})})


def invalid(request: Request, template: str, form: Form, **values: Any) -> Response:
    """The form again, with what was typed and a message at each field that needs another look; 422."""
    return page(request, template, 422, form=form, **values)


def refused(request: Request, template: str, form: Form, error: BlogError, **values: Any) -> Response:
    """The form again after the domain said no: nothing typed is lost, whatever the reason."""
    form.refuse(error)
    return page(request, template, status_of(error), headers=headers_of(error), form=form, **values)
