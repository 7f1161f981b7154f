"""Browsers that people signed in with before: a signed cookie, which proves nothing but lets them try once more.

When somebody guesses at an account from many addresses, all its unknown browsers together are held back
(`LOGIN_RATE_LIMIT_PER_ACCOUNT`). A known one is counted by itself, so that nobody else can use up what its owner may try.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from blog.domain.accounts.models import User
from blog.domain.core.signing import Purpose, Signer, generate_secret, hash_secret
from blog.framework.identity.cookies import cookie_name, set_cookie
from blog.settings import Settings

_COOKIE = "device"
_MAX_AGE = 365 * 86_400
_MAX_NAMES = 10
"""Names that one browser is known for: two for each account."""


class KnownDevices:
    """Reads and writes the cookie."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        self._settings, self._signer = settings, signer

    def device_id(self, connection: HTTPConnection, username: str) -> str | None:
        """What this browser is counted by when it signs in with this name (or address); None if it never did so."""
        device, names = self._read_cookie(connection)
        return device if device and _name_digest(username) in names else None

    def remember(self, connection: HTTPConnection, response: Response, user: User) -> None:
        """Let the browser be known for this account: call it when somebody has signed in."""
        device, names = self._read_cookie(connection)
        keys = [_name_digest(name) for name in (user.username, user.email) if name]
        text = self._signer.sign(Purpose.DEVICE, [device or generate_secret(), list(dict.fromkeys([*keys, *names]))[:_MAX_NAMES]])
        set_cookie(response, self._settings, _COOKIE, text, _MAX_AGE)

    def _read_cookie(self, connection: HTTPConnection) -> tuple[str | None, list[str]]:
        text = connection.cookies.get(cookie_name(self._settings, _COOKIE))
        match self._signer.unsign(Purpose.DEVICE, text, _MAX_AGE) if text else None:
            case [str(device), list(names)]:
                return device, names
            case _:
                return None, []


def _name_digest(name: str) -> str:
    return hash_secret(name.casefold())[:16]  # a cookie need not tell who uses the browser
