"""The theme (light or dark): stored in a cookie, rendered as an attribute of the page."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.cookies import set_cookie
from blog.framework.request.forms import read_form
from blog.framework.request.parsing import validate
from blog.framework.request.state import app_state
from blog.framework.request.theme_cookie import THEME_COOKIE, theme_from_cookies
from blog.schemas.theme import Theme, ThemeChoice
from blog.web.rendering.redirects import safe_local_path

_COOKIE_MAX_AGE = 365 * 86_400


class ThemeSwitch(Endpoint):
    """/theme: store the theme of a reader."""

    async def post(self, request: Request) -> Response:
        """Set the cookie, and redirect back to the page. Without a cookie the system decides."""
        form = await read_form(request)
        choice = validate(ThemeChoice, form.values, "body")
        state = app_state(request)
        response = RedirectResponse(safe_local_path(choice.next) or state.urls.path("web:home"), 303)
        age = 0 if choice.theme is Theme.AUTO else _COOKIE_MAX_AGE  # 0 deletes the cookie
        set_cookie(response, state.site.settings, THEME_COOKIE, choice.theme.value, age)
        return response


def current_theme(request: Request) -> Theme:
    """Return the colour scheme of the appearance, or the theme in the cookie of the request if readers may choose."""
    scheme = app_state(request).site.runtime_settings.preferences.colour_scheme
    return scheme if scheme is not Theme.AUTO else theme_from_cookies(request.headers.get("cookie", ""))
