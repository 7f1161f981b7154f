"""Rendering of pages: the values of every template, and the headers of every page."""

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
from blog.middleware.security import policy_with_frames
from blog.schemas.feature_flags import Flag
from blog.text.formats import INTERFACE_LANGUAGE
from blog.web.rendering import accent_styles
from blog.web.rendering.custom_styles import custom_stylesheet_url
from blog.web.rendering.footer import footer
from blog.web.rendering.redirects import current_path, register_path, return_path, sign_in_path
from blog.web.rendering.theme import current_theme
from blog.web.rendering.unread_counts import get_unread_counts

# Public pages show who is signed in: browsers may store them but must revalidate; shared caches must not.
_PUBLIC_TEMPLATES = frozenset(
    {f"posts/{name}.html" for name in ("archive", "author", "home", "post", "search", "tag", "tags")}
    | {"errors/error.html", "site/static_page.html"}
)
"""All other pages are private: after sign-out not even the history of the browser shows them."""
NO_STORE = {"Cache-Control": "no-store"}


def render_page(
    request: Request, template: str, status: int = 200, *, headers: Mapping[str, str] | None = None, **values: Any
) -> Response:
    """Render a template.

    - `template`: a path below `templates/`.
    - `headers`: added to the default headers, or replace them.
    - `values`: template variables. `frame_origins` are the origins of the players that the page may load.
      `live_cursor` is the position in the event log from which the page follows live events.
      `return_path` is the page to return to after signing in, if not this one.
    """
    state = app_state(request)
    is_public = template in _PUBLIC_TEMPLATES
    shared = _shared_values(request, values) | values
    # Only what readers see: no style can keep an owner from signing in and removing it.
    shared["custom_stylesheet_url"] = custom_stylesheet_url(state.site, state.urls) if is_public else None
    shared["page_language"] = state.site.runtime_settings.preferences.language if is_public else INTERFACE_LANGUAGE
    if not state.site.runtime_settings.is_enabled(Flag.LIVE):
        shared["live_cursor"] = None
    html = state.templates.render(template, **shared)
    caching = {"Cache-Control": "private, no-cache"} if is_public else NO_STORE
    if origins := values.get("frame_origins"):
        caching |= {"Content-Security-Policy": policy_with_frames(state.site.settings, origins)}
    return HTMLResponse(html, status, {"Vary": "Cookie", **caching, **(headers or {})})


def _shared_values(request: Request, values: Mapping[str, Any]) -> dict[str, Any]:
    # Not `request_context()`, which raises for wrong credentials: this page may be the one that reports them.
    actor = getattr(request.state, "identity", ANONYMOUS).actor
    state = app_state(request)
    on = state.site.runtime_settings.is_enabled
    return_to = values.get("return_path") or return_path(request, values.get("form"))
    return {
        "actor": actor,
        "can_write": policy.can_write_posts(actor),
        "is_editor": policy.can_moderate_all(actor),
        "is_owner": policy.is_owner(actor),
        "unread_counts": get_unread_counts(request),
        "can_register": on(Flag.REGISTRATION),
        "comments_are_open": on(Flag.COMMENTS),
        "live_cursor": None,
        "frame_origins": (),
        "preferences": state.site.runtime_settings.preferences,
        "footer": footer(state.site.runtime_settings.preferences),
        "navigation": state.site.runtime_settings.navigation,
        "stylesheet_url": accent_styles.stylesheet_url(state.site, state.urls),
        "sign_in_path": sign_in_path(request, return_to),
        "register_path": register_path(request, return_to),
        "theme": current_theme(request),
        "current_path": current_path(request) if request.method in ("GET", "HEAD") else "",
    }


def render_invalid(request: Request, template: str, form: Form, **values: Any) -> Response:
    """Render an invalid form again (422), with the submitted values and a message at each field."""
    return render_page(request, template, 422, form=form, **values)


def render_error(request: Request, template: str, form: Form, error: BlogError, **values: Any) -> Response:
    """Render a form again after an error of the domain, with the submitted values."""
    form.add_error(error)
    return render_page(request, template, error_status(error), headers=error_headers(error), form=form, **values)
