"""Cookies of the blog: one name prefix and one set of attributes for all of them."""

from starlette.responses import Response

from blog.settings import Settings


def cookie_name(settings: Settings, name: str) -> str:
    """Return the full name of a cookie: `__Host-…` under TLS, where browsers enforce Secure, path `/` and this host only."""
    return f"__Host-{name}" if settings.is_https else name


def set_cookie(response: Response, settings: Settings, name: str, value: str, max_age: int) -> None:
    """Set a cookie that no script can read and that cross-site requests do not carry, for `max_age` seconds."""
    response.set_cookie(
        cookie_name(settings, name), value, max_age=max_age, secure=settings.is_https, httponly=True, samesite="lax"
    )


def delete_cookie(response: Response, settings: Settings, name: str) -> None:
    """Delete a cookie in the browser."""
    response.delete_cookie(cookie_name(settings, name), secure=settings.is_https, httponly=True, samesite="lax")
