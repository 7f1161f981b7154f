"""What every answer has and every request must pass, as plain ASGI around all else: also a crash gets its headers."""

import itertools
import re
import time
import uuid
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog import timings
from blog.http.identity import cookie_name
from blog.http.problems import refuse
from blog.settings import Settings

_VISIBLE_ASCII = re.compile(r"[!-~]{1,128}")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# No inline script or style anywhere; images may come from other sites, since imported posts show them.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
HSTS = "max-age=31536000"


class Protection:
    """Correlation id, process time and security headers on every answer; cross-site writes and unknown hosts refused."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = HEADERS | ({"Strict-Transport-Security": HSTS} if settings.secure else {})
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = frozenset({settings.public_url, *settings.cors_origins})
        self._is_secure = settings.secure
        self._cookie = cookie_name(settings)
        self._url_bytes = settings.url_bytes
        self._header_fields, self._header_bytes = settings.header_fields, settings.header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        correlation_id = _correlation_id(headers)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        send = self._completing(send, correlation_id)
        if refusal := self._refusal(scope, headers):
            await refuse(scope, receive, send, *refusal)
            return
        await self._app(scope, receive, send)

    def _completing(self, send: Send, correlation_id: str) -> Send:
        started = time.perf_counter()
        parts = timings.begin()

        async def completing(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["X-Correlation-ID"] = correlation_id
                took = time.perf_counter() - started
                headers["X-Process-Time"] = f"{took:.6f}"
                shares = {**parts, "total": took}
                headers["Server-Timing"] = ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in shares.items())
            await send(message)

        return completing

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if refusal := self._excess(scope):
            return refusal
        if self._hosts and _hostname(headers.get("host", "")) not in self._hosts:
            return 400, "This host name is not served here: add it to ALLOWED_HOSTS"
        if not self._is_same_site(scope, headers):
            return (
                403,
                "A page of another site tried to do this: use the blog's own pages, or a bearer token outside of browsers",
            )
        return None

    def _excess(self, scope: Scope) -> tuple[int, str] | None:
        """What a whole head has too much of; one that does not end is for the server to refuse. Takes about two microseconds."""
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > self._url_bytes:
            return 414, f"The address is longer than {self._url_bytes} bytes"
        fields = scope["headers"]
        if len(fields) > self._header_fields:
            return 431, f"The request has more than {self._header_fields} header fields"
        if sum(map(len, itertools.chain.from_iterable(fields))) > self._header_bytes:
            return 431, f"The header fields have more than {self._header_bytes} bytes"
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return 400, "The address holds a null byte: nothing here is named by one"
        return None

    def _is_same_site(self, scope: Scope, headers: Headers) -> bool:
        """Browsers say where a request comes from; without a cookie of ours a request that says nothing is no browser's."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return True
        if origin is not None:
            return origin in self._origins or (not self._is_secure and _is_own(origin, headers))
        if site is not None:
            return site in ("same-origin", "none")
        return scope["type"] == "websocket" or f"{self._cookie}=" not in headers.get("cookie", "")


def _is_own(origin: str, headers: Headers) -> bool:
    """An Origin is ours when it names the host that was asked, as on a laptop that is reached by several names.

    Not behind TLS: there the origin of the same host without TLS is another site's, and PUBLIC_URL names the right one.
    """
    return origin.partition("://")[2] == headers.get("host")


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half a pair of brackets
        return ""


def _correlation_id(headers: Headers) -> str:
    sent = headers.get("x-correlation-id", "")
    return sent if _VISIBLE_ASCII.fullmatch(sent) else uuid.uuid4().hex
