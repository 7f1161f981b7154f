"""Known devices: browsers in which a user has signed in before, recognised by a signed cookie.

`LOGIN_RATE_LIMIT_PER_ACCOUNT` counts all unknown browsers together. A known device is counted separately, so that attackers
cannot use up the owner's attempts. The cookie does not authenticate.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from blog.domain.accounts.models import User
from blog.domain.core.signing import Purpose, Signer, generate_secret, hash_secret
from blog.framework.identity.cookies import cookie_name, set_cookie
from blog.settings import Settings
from blog.text.normalisation import fold_name

_COOKIE = "device"
_MAX_AGE = 365 * 86_400
_MAX_NAMES = 10
"""Names that one cookie remembers: two per account, username and e-mail address."""


class KnownDevices:
    """Reads and writes the cookie of known devices."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        self._settings, self._signer = settings, signer

    def device_id(self, connection: HTTPConnection, username: str) -> str | None:
        """Return the id of this browser if the user with this name or e-mail address has signed in with it, else None."""
        device, names = self._read_cookie(connection)
        return device if device and _name_digest(username) in names else None

    def remember(self, connection: HTTPConnection, response: Response, user: User) -> None:
        """Add the account to the cookie. Call it after a successful sign-in."""
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
    return hash_secret(fold_name(name))[:16]  # hashed: a cookie should not reveal the users of a browser
