"""Light or dark: what the cookie of a reader says."""

from starlette.requests import cookie_parser

from blog.schemas.theme import Theme

THEME_COOKIE = "theme"


def theme_in(cookies: str) -> Theme:
    """The theme that a `Cookie` field names; any other value is as good as none."""
    sent = cookie_parser(cookies).get(THEME_COOKIE) if THEME_COOKIE in cookies else None
    return Theme(sent) if sent in (Theme.LIGHT, Theme.DARK) else Theme.AUTO
