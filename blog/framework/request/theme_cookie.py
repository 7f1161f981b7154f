"""Light or dark: what the cookie of a reader says."""

from starlette.requests import cookie_parser

from blog.schemas.theme import Theme

_COOKIE, _HOST_COOKIE = "theme", "__Host-theme"


def theme_cookie_name(is_secure: bool) -> str:
    """The name of the cookie; under TLS browsers guard the prefix."""
    return _HOST_COOKIE if is_secure else _COOKIE


def theme_from_cookies(cookies: str) -> Theme:
    """The theme that a `Cookie` field names; any other value is as good as none."""
    if _COOKIE not in cookies:
        return Theme.AUTO
    found = cookie_parser(cookies)
    sent = found.get(_HOST_COOKIE, found.get(_COOKIE))
    return Theme(sent) if sent in (Theme.LIGHT, Theme.DARK) else Theme.AUTO
