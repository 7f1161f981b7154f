"""Security headers and request checks. The outermost ASGI middleware, so that error responses get the headers too."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache
from random import getrandbits
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.framework.caching.response_cache import Header
from blog.framework.identity.authentication import session_cookie_name
from blog.framework.limits.request_limits import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_URL_BYTES
from blog.framework.request import disconnect
from blog.framework.response.problems import send_problem
from blog.observability import logging, server_timing
from blog.settings import Settings

HeaderMap = Mapping[bytes, bytes]

log = structlog.stdlib.get_logger("blog.security")
_VISIBLE_ASCII = re.compile(rb"[!-~]{1,128}")
# Monitoring uses the address of the machine. These responses do not contain the host name.
_ANY_HOST_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+;=%-]+)(:[0-9]*)?", re.ASCII)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# No inline scripts or styles. Images may come from other sites, because imported posts embed them.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: http: https:; font-src 'self'; "
    "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_UPGRADE = "; upgrade-insecure-requests"
SECURITY_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
# With TLS browsers load images of http sites by https.
TLS_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000",
    "Content-Security-Policy": CSP + _UPGRADE,
}
HAS_CONSTANT_HEADERS = "blog.has_constant_headers"
"""Key in an ASGI message: its headers already contain the constant ones."""


def constant_headers(settings: Settings) -> list[Header]:
    """Return the headers that every response gets, unless it sets one of them itself."""
    fields = SECURITY_HEADERS | (TLS_HEADERS if settings.is_https else {})
    return [(name.lower().encode(), value.encode()) for name, value in fields.items()]


def policy_with_frames(settings: Settings, origins: Iterable[str]) -> str:
    """Return the content security policy of a page with frames of these origins. All other pages may contain none."""
    return f"{CSP}; frame-src {' '.join(origins)}{_UPGRADE if settings.is_https else ''}"


class ResponseFinisher:
    """A `send` that adds the headers of each response: correlation id, and the total duration and its parts.

    Also `Date`, if `blog.server` serves: uvicorn's own is up to a second old, and then earlier than `Last-Modified`.
    """

    def __init__(
        self, scope: Scope, send: Send, correlation_id: str, missing_headers: Callable[[Iterable[Header]], list[Header]]
    ) -> None:
        self._scope, self._send, self._missing_headers = scope, send, missing_headers
        self._correlation_id = correlation_id.encode()
        self._started = time.perf_counter()
        self._durations = server_timing.start()

    async def __call__(self, message: Message) -> None:
        """Send an ASGI message, with the additional headers if it starts a response."""
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = message.get("headers", ())
            constant = [] if message.pop(HAS_CONSTANT_HEADERS, False) else self._missing_headers(headers)
            seconds, server_timing_value = self._timing_values()
            message["headers"] = [
                *headers,
                *constant,
                *([(b"date", http_date())] if disconnect.EXTENSION in self._scope.get("extensions", {}) else []),
                (b"x-correlation-id", self._correlation_id),
                (b"x-process-time", b"%.6f" % seconds),
                (b"server-timing", server_timing_value),
            ]
        await self._send(message)

    def _timing_values(self) -> tuple[float, bytes]:
        """Return the seconds since the start, and the value of `Server-Timing`."""
        total = time.perf_counter() - self._started
        value = b""
        for name, seconds in self._durations.items():
            value += b"%b;dur=%.2f, " % (name.encode(), seconds * 1000)
        return total, value + b"total;dur=%.2f" % (total * 1000)


class SecurityMiddleware:
    """Adds correlation id, process time and security headers. Rejects cross-site writes, unknown hosts and oversized heads.

    Works on bytes, because every request passes through it, including cache hits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._constant_headers = constant_headers(settings)
        self._constant_names = frozenset(name for name, _ in self._constant_headers)
        self._allowed_hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._allowed_origins = frozenset(origin.encode() for origin in (settings.public_url, *settings.cors_origins))
        self._session_cookie_prefix = session_cookie_name(settings).encode() + b"="

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = header_map(scope)
        correlation_id = correlation_id_from(headers)
        state = scope.setdefault("state", {})
        state["correlation_id"], state["headers"] = correlation_id, headers
        logging.correlation_id.set(correlation_id)
        send = ResponseFinisher(scope, send, correlation_id, self._missing_headers)
        if error := self.request_error(scope, headers):
            # Logged here because the access log is further inside.
            log.warning("request rejected", status=error[0], reason=error[1], address=(scope.get("client") or ("",))[0])
            await send_problem(scope, receive, send, *error)
            return
        await self._app(scope, receive, send)

    def _missing_headers(self, headers: Iterable[Header]) -> list[Header]:
        names = {name for name, _ in headers}
        if self._constant_names.isdisjoint(names):
            return self._constant_headers
        return [pair for pair in self._constant_headers if pair[0] not in names]

    def request_error(self, scope: Scope, headers: HeaderMap) -> tuple[int, str] | None:
        """Return status and reason of the response to a request that is refused, or None if it is acceptable."""
        if error := self._size_error(scope) or _host_error(scope):
            return error
        if (
            self._allowed_hosts
            and scope["path"] not in _ANY_HOST_PATHS
            and _hostname(headers.get(b"host", b"")) not in self._allowed_hosts
        ):
            return 400, "This host name is not served here. Add it to ALLOWED_HOSTS."
        if not self._is_same_site(scope, headers):
            return (
                403,
                "This request comes from another site. Use the pages of this blog, or a bearer token outside a browser.",
            )
        return None

    def _size_error(self, scope: Scope) -> tuple[int, str] | None:
        """Check the size of a complete request head. `blog.server` limits one that is still arriving."""
        fields = scope["headers"]
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
            return 414, f"Path and query together have more than {MAX_URL_BYTES} bytes. Send long values in the body."
        if len(fields) > MAX_HEADER_FIELDS:
            return 431, f"The request has more than {MAX_HEADER_FIELDS} headers. Send fewer."
        if sum([len(name) + len(value) for name, value in fields]) > MAX_HEADER_BYTES:
            return 431, f"The headers together have more than {MAX_HEADER_BYTES} bytes. Send shorter ones."
        if "\0" in scope["path"]:
            return 400, "The path contains a null byte. Remove it."
        return None

    def _is_same_site(self, scope: Scope, headers: HeaderMap) -> bool:
        """Return whether the request is safe, from our own pages, or not from a browser.

        Browsers send `Origin` or `Sec-Fetch-Site`. A request without both and without a session cookie is from a program.
        No browser sends a bearer token by itself, and with a token the session cookie is ignored.
        """
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return True
        if headers.get(b"authorization", b"")[:7].lower() == b"bearer ":
            return True
        if (origin := headers.get(b"origin")) is not None:
            return origin in self._allowed_origins or (not self._settings.is_https and _is_same_host(origin, headers))
        if (site := headers.get(b"sec-fetch-site")) is not None:
            return site in (b"same-origin", b"none")
        return scope["type"] == "websocket" or self._session_cookie_prefix not in headers.get(b"cookie", b"")


def header_map(scope: Scope) -> HeaderMap:
    """Return the request headers by lowercase name. As in Starlette, the first of repeated ones counts, and all cookies do."""
    fields = scope["headers"]
    headers = dict(reversed(fields))
    if len(headers) < len(fields) and b"cookie" in headers:
        headers[b"cookie"] = b"; ".join([value for name, value in fields if name == b"cookie"])
    return headers


def http_date() -> bytes:
    """Return the value of `Date`."""
    return _format_date(int(time.time()))


@lru_cache(maxsize=1)
def _format_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def _is_same_host(origin: bytes, headers: HeaderMap) -> bool:
    """Return whether `Origin` has the requested host, for development machines with several names.

    Not used with TLS: there `http://` on the same host is another origin, and PUBLIC_URL is the only valid one.
    """
    return origin.partition(b"://")[2] == headers.get(b"host")


def _host_error(scope: Scope) -> tuple[int, str] | None:
    """Check that the request names one valid host (RFC 9112, section 3.2). Only HTTP/1.0 may omit it."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
        return None
    if not hosts and scope.get("http_version") == "1.0":
        return None
    return 400, "Send one Host header with the name of this site, such as `Host: blog.example.org`."


def _hostname(host: bytes) -> str:
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:  # an unclosed bracket
        return ""


def correlation_id_from(headers: HeaderMap) -> str:
    """Return the client's id if it is visible ASCII, otherwise 128 random bits.

    The id is not a secret, and `getrandbits` takes a quarter of the time of the operating system's generator.
    """
    value = headers.get(b"x-correlation-id")
    return value.decode() if value and _VISIBLE_ASCII.fullmatch(value) else f"{getrandbits(128):032x}"
