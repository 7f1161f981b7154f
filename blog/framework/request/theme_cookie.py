"""The colour theme of a reader, from a cookie."""

from starlette.requests import cookie_parser

from blog.schemas.theme import Theme

THEME_COOKIE = "theme"


def theme_from_cookies(cookie_header: str) -> Theme:
    """Return the theme that a `Cookie` header selects. Any unknown value means `Theme.AUTO`."""
    if THEME_COOKIE not in cookie_header:
        return Theme.AUTO
    cookies = cookie_parser(cookie_header)
    value = cookies.get(f"__Host-{THEME_COOKIE}", cookies.get(THEME_COOKIE))
    return Theme(value) if value in (Theme.LIGHT, Theme.DARK) else Theme.AUTO
