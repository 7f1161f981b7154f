"""Light or dark: what the cookie of a reader says."""

from starlette.requests import cookie_parser

from blog.schemas.theme import Theme

_PLAIN, _GUARDED = "theme", "__Host-theme"


def theme_cookie(is_secure: bool) -> str:
    """The name of the cookie; under TLS browsers guard the prefix."""
    return _GUARDED if is_secure else _PLAIN


def theme_in(cookies: str) -> Theme:
    """The theme that a `Cookie` field names; any other value is as good as none."""
    if _PLAIN not in cookies:
        return Theme.AUTO
    found = cookie_parser(cookies)
    sent = found.get(_GUARDED, found.get(_PLAIN))
    return Theme(sent) if sent in (Theme.LIGHT, Theme.DARK) else Theme.AUTO
