"""Light or dark: a cookie of the reader's, which the server turns into an attribute of the page."""

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
    """/theme — keep a reader's choice of colours."""

    async def post(self, request: Request) -> Response:
        """Back to the page it was made on, which is then as chosen. Without a cookie the system decides."""
        form = await read_form(request)
        choice = validate(ThemeChoice, form.values, "body")
        parts = app_state(request)
        response = RedirectResponse(safe_local_path(choice.next) or parts.urls.path("web:home"), 303)
        age = 0 if choice.theme is Theme.AUTO else _COOKIE_MAX_AGE  # 0 takes it away
        set_cookie(response, parts.site.settings, THEME_COOKIE, choice.theme.value, age)
        return response


def current_theme(request: Request) -> Theme:
    """What the cookie of this reader says."""
    return theme_from_cookies(request.headers.get("cookie", ""))
