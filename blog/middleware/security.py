"""What every answer has and every request must pass, as plain ASGI around all else: also a crash gets its headers."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from random import getrandbits
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.framework.caching.response_cache import Header
from blog.framework.caching.single_write import response_writer
from blog.framework.identity.authentication import session_cookie_name
from blog.framework.response.problems import send_problem
from blog.observability import logging, server_timing
from blog.settings import Settings

HeaderMap = Mapping[bytes, bytes]

log = structlog.stdlib.get_logger("blog.protection")
_VISIBLE_ASCII = re.compile(rb"[!-~]{1,128}")
# Who looks after the machine asks by its address; what it hears shows no name.
_ANY_HOST_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# No inline script or style anywhere; images may come from other sites, since imported posts show them.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
HSTS = "max-age=31536000"
HAS_CONSTANT_HEADERS = "blog.complete"
"""A member of a message which says that its header fields have those that never change already."""


def constant_headers(settings: Settings) -> list[Header]:
    """The header fields of every answer that are the same for all, unless an answer has its own."""
    fields = SECURITY_HEADERS | ({"Strict-Transport-Security": HSTS} if settings.is_https else {})
    return [(name.lower().encode(), value.encode()) for name, value in fields.items()]


class ResponseFinisher:
    """Sends an answer with the header fields that are its own: correlation id, and how long it took, as a whole and in parts."""

    def __init__(
        self, scope: Scope, send: Send, correlation_id: str, missing_headers: Callable[[Iterable[Header]], list[Header]]
    ) -> None:
        self._scope, self._send, self._missing_headers = scope, send, missing_headers
        self._correlation_id = correlation_id.encode()
        self._started = time.perf_counter()
        self._durations = server_timing.start()

    async def __call__(self, message: Message) -> None:
        """As a `send` of ASGI."""
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = message.get("headers", ())
            ours = [] if message.pop(HAS_CONSTANT_HEADERS, False) else self._missing_headers(headers)
            took, told = self._timing_values()
            message["headers"] = [
                *headers,
                *ours,
                (b"x-correlation-id", self._correlation_id),
                (b"x-process-time", b"%.6f" % took),
                (b"server-timing", told),
            ]
        await self._send(message)

    def write(self, status: int, head: bytes, body: bytes) -> bool:
        """Write a complete answer at once; False if this server, or this moment, wants it in messages."""
        if (write := response_writer(self._scope)) is None:
            return False
        took, told = self._timing_values()
        own = b"x-correlation-id: %b\r\nx-process-time: %.6f\r\nserver-timing: %b\r\n" % (self._correlation_id, took, told)
        return write(self._scope, status, head + own, body)

    def _timing_values(self) -> tuple[float, bytes]:
        """Seconds since the beginning, and the value of `Server-Timing`."""
        took = time.perf_counter() - self._started
        told = b""
        for name, seconds in self._durations.items():
            told += b"%b;dur=%.2f, " % (name.encode(), seconds * 1000)
        return took, told + b"total;dur=%.2f" % (took * 1000)


class SecurityMiddleware:
    """Correlation id, process time and security headers on every answer; refuses cross-site writes and unknown hosts.

    It also refuses addresses and header fields that are too long. It works on their bytes: every request pays for it.
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
        headers = dict(reversed(scope["headers"]))  # of two with one name the first counts, as everywhere
        correlation_id = _correlation_id(headers.get(b"x-correlation-id"))
        state = scope.setdefault("state", {})
        state["correlation_id"], state["headers"] = correlation_id, headers
        logging.correlation_id.set(correlation_id)
        send = ResponseFinisher(scope, send, correlation_id, self._missing_headers)
        if refusal := self._request_error(scope, headers):
            # The access log is further inside: these would leave no trace.
            log.warning("refused", status=refusal[0], reason=refusal[1], address=(scope.get("client") or ("",))[0])
            await send_problem(scope, receive, send, *refusal)
            return
        await self._app(scope, receive, send)

    def _missing_headers(self, headers: Iterable[Header]) -> list[Header]:
        names = {name for name, _ in headers}
        if self._constant_names.isdisjoint(names):
            return self._constant_headers
        return [pair for pair in self._constant_headers if pair[0] not in names]

    def _request_error(self, scope: Scope, headers: HeaderMap) -> tuple[int, str] | None:
        if refusal := self._size_error(scope):
            return refusal
        if (
            self._allowed_hosts
            and scope["path"] not in _ANY_HOST_PATHS
            and _hostname(headers.get(b"host", b"")) not in self._allowed_hosts
        ):
            return 400, "This host name is not served here: add it to ALLOWED_HOSTS"
        if not self._is_same_site(scope, headers):
            return (
                403,
                "A page of another site tried to do this: use the blog's own pages, or a bearer token outside of browsers",
            )
        return None

    def _size_error(self, scope: Scope) -> tuple[int, str] | None:
        """What a whole head has too much of; one that does not end is for the server to refuse."""
        settings, fields = self._settings, scope["headers"]
        if len(scope["raw_path"]) + len(scope["query_string"]) > settings.max_url_bytes:
            return 414, f"Path and query may have {settings.max_url_bytes} bytes together: send long values in the body"
        if len(fields) > settings.max_header_fields:
            return 431, f"A request may have {settings.max_header_fields} header fields: send fewer"
        if sum([len(name) + len(value) for name, value in fields]) > settings.max_header_bytes:
            return 431, f"The header fields may have {settings.max_header_bytes} bytes together: send shorter ones"
        if "\0" in scope["path"]:
            return 400, "The address holds a null byte: nothing here is named by one"
        return None

    def _is_same_site(self, scope: Scope, headers: HeaderMap) -> bool:
        """Browsers say where a request comes from; without a cookie of ours a request that says nothing is no browser's."""
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return True
        if (origin := headers.get(b"origin")) is not None:
            return origin in self._allowed_origins or (not self._settings.is_https and _is_same_host(origin, headers))
        if (site := headers.get(b"sec-fetch-site")) is not None:
            return site in (b"same-origin", b"none")
        return scope["type"] == "websocket" or self._session_cookie_prefix not in headers.get(b"cookie", b"")


def _is_same_host(origin: bytes, headers: HeaderMap) -> bool:
    """An Origin is ours when it names the host that was asked, as on a laptop that is reached by several names.

    Not behind TLS: there the origin of the same host without TLS is another site's, and PUBLIC_URL names the right one.
    """
    return origin.partition(b"://")[2] == headers.get(b"host")


def _hostname(host: bytes) -> str:
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:  # half a pair of brackets
        return ""


def _correlation_id(sent: bytes | None) -> str:
    """What the client gave, if it may stand in a header field and in a log line; else one of 128 random bits.

    It is a name and no secret: bits of the system would take four times as long.
    """
    return sent.decode() if sent and _VISIBLE_ASCII.fullmatch(sent) else getrandbits(128).to_bytes(16).hex()
