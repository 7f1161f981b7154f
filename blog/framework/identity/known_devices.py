"""Browsers that people signed in with before: a signed cookie, which proves nothing but lets them try once more.

When somebody guesses at an account from many addresses, all its unknown browsers together are held back
(`ACCOUNT_RATE_LIMIT`). A known one is counted by itself, so that nobody else can use up what its owner may try.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from blog.domain.core.models import User
from blog.domain.core.signing import Purpose, Signer, digest, new_secret
from blog.settings import Settings

_YEAR = 365 * 86_400
_MOST = 10
"""Names that one browser is known for: two for each account."""


class Devices:
    """Reads and writes the cookie."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        self._signer, self._is_secure = signer, settings.secure
        self._cookie = "__Host-device" if settings.secure else "device"

    def known(self, connection: HTTPConnection, username: str) -> str | None:
        """What this browser is counted by when it signs in with this name (or address); None if it never did so."""
        device, names = self._read(connection)
        return device if device and _key(username) in names else None

    def remember(self, connection: HTTPConnection, response: Response, user: User) -> None:
        """Let the browser be known for this account: call it when somebody has signed in."""
        device, names = self._read(connection)
        keys = [_key(name) for name in (user.username, user.email) if name]
        text = self._signer.sign(Purpose.DEVICE, [device or new_secret(), list(dict.fromkeys([*keys, *names]))[:_MOST]])
        response.set_cookie(self._cookie, text, max_age=_YEAR, secure=self._is_secure, httponly=True, samesite="lax")

    def _read(self, connection: HTTPConnection) -> tuple[str | None, list[str]]:
        text = connection.cookies.get(self._cookie)
        match self._signer.read(Purpose.DEVICE, text, _YEAR) if text else None:
            case [str(device), list(names)]:
                return device, names
            case _:
                return None, []


def _key(name: str) -> str:
    return digest(name.casefold())[:16]  # a cookie need not tell who uses the browser
