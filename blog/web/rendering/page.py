"""Pages as answers: what every template is given, and what every page says to caches."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from blog.domain.core import policy
from blog.errors import BlogError
from blog.framework.identity.authentication import ANONYMOUS
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.framework.response.error_statuses import error_headers, error_status
from blog.schemas.feature_flags import Flag
from blog.web.rendering import accent_styles
from blog.web.rendering.redirects import current_path, sign_in_path
from blog.web.rendering.theme import current_theme
from blog.web.rendering.unread_counts import get_unread_counts

# A page shows who is signed in: browsers may keep it, but ask again each time, and nobody else keeps it.
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}
# These say what is nobody else's affair: after signing out not even the browser's own history shows them.
_NO_STORE_PREFIXES = ("accounts/", "admin/")


def render_page(
    request: Request, template: str, status: int = 200, *, headers: Mapping[str, str] | None = None, **values: Any
) -> Response:
    """A template as an answer. `live_cursor` is the place in the event log at which the page was true, if it follows on."""
    # The state, not `context()`: a page that reports wrong credentials must not stumble over them again.
    actor = getattr(request.state, "identity", ANONYMOUS).actor
    parts = app_state(request)
    on = parts.site.runtime_settings.is_enabled
    shared = {
        "actor": actor,
        "can_write": policy.can_write_posts(actor),
        "is_owner": policy.is_owner(actor),
        "unread_counts": get_unread_counts(request),
        "can_register": on(Flag.REGISTRATION),
        "comments_are_open": on(Flag.COMMENTS),
        "live_cursor": None,
        "preferences": parts.site.runtime_settings.preferences,
        "stylesheet_url": accent_styles.stylesheet_url(parts.site, parts.urls),
        "sign_in_path": sign_in_path(request),
        "theme": current_theme(request),
        "current_path": current_path(request) if request.method in ("GET", "HEAD") else "",
    }
    shared |= values
    if not on(Flag.LIVE):
        shared["live_cursor"] = None
    html = parts.templates.render(template, **shared)
    kept = {"Cache-Control": "no-store"} if template.startswith(_NO_STORE_PREFIXES) else {}
    return HTMLResponse(html, status, {**_HEADERS, **kept, **(headers or {})})


def render_invalid(request: Request, template: str, form: Form, **values: Any) -> Response:
    """The form again, with what was typed and a message at each field that needs another look; 422."""
    return render_page(request, template, 422, form=form, **values)


def render_error(request: Request, template: str, form: Form, error: BlogError, **values: Any) -> Response:
    """The form again after the domain said no: nothing typed is lost, whatever the reason."""
    form.add_error(error)
    return render_page(request, template, error_status(error), headers=error_headers(error), form=form, **values)
