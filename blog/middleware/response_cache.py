"""Response cache: answer anonymous requests from memory, before logging, authentication and routing.

Requests with credentials bypass it, and so do responses of endpoints that did not call `cache_until_event`.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import anyio
import anyio.to_thread
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.framework.caching.cacheable_paths import cacheable_paths
from blog.framework.caching.capture import ResponseCapture
from blog.framework.caching.in_progress import ResponseInProgress
from blog.framework.caching.response_cache import HIT_HEADERS, CachedResponse, CacheKey, CachePolicy, Header
from blog.framework.identity.authentication import anonymous_client_key, session_cookie_name
from blog.framework.limits.rate_limits import rate_limit_headers
from blog.framework.request.state import AppState
from blog.framework.request.theme_cookie import theme_from_cookies
from blog.framework.templating import content_encoding
from blog.framework.urls.route_table import route_template
from blog.middleware.cache_hits import has_response, preferred_encoding, record_hit
from blog.middleware.security import HAS_CONSTANT_HEADERS, SECURITY_HEADERS, HeaderMap, constant_headers
from blog.observability import metrics, server_timing
from blog.schemas.theme import Theme
from blog.settings import Settings

_WAIT_TIMEOUT = 5.0
_MISS: tuple[Header, ...] = ((b"cache-status", b"blog; fwd=miss"), (b"x-cache", b"miss"))
_BYPASS: tuple[Header, ...] = ((b"cache-status", b"blog; fwd=bypass"), (b"x-cache", b"miss"))
_RATE_LIMIT_HEADERS = frozenset({b"ratelimit", b"ratelimit-policy"})  # about one client: not stored
_HANDLED_HEADERS = frozenset({b"accept-encoding", b"if-none-match"})
_HEADERS_ON_304 = frozenset(
    {b"cache-control", b"content-location", b"etag", b"last-modified", b"live-cursor", b"vary"}
    | {b"access-control-allow-origin", b"access-control-expose-headers"}
    | {name.lower().encode() for name in (*SECURITY_HEADERS, "Strict-Transport-Security")}
)


class ResponseCacheMiddleware:
    """Plain ASGI, inside `SecurityMiddleware`, which adds the headers of each response, and outside everything else."""

    def __init__(self, app: ASGIApp, settings: Settings, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._session_cookie_prefix = session_cookie_name(settings).encode() + b"="
        self._constant_headers = constant_headers(settings)
        self._path_pattern = cacheable_paths(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        app_state: AppState = scope["state"]["app_state"]
        headers: HeaderMap = scope["state"]["headers"]
        key = self._cache_key(scope, headers)
        request = _CacheRequest(app_state, key, scope, headers, send, started) if key else None
        if request is not None and await request.send_if_cached():
            return
        if not self._is_cacheable(scope):
            await self._app(scope, receive, send)
        elif request is None or scope["method"] == "HEAD" or not app_state.response_cache.is_enabled:
            metrics.cache_lookups.inc("bypass")
            await self._app(scope, receive, _with_headers(send, _BYPASS))
        else:
            await self._respond(request, receive)

    def find_encoded(self, scope: Scope, headers: HeaderMap) -> CachedResponse | None:
        """Return the cached response in the encoding for this request, or None if it is not cached in this encoding."""
        if scope["method"] not in ("GET", "HEAD") or (key := self._cache_key(scope, headers)) is None:
            return None
        app_state: AppState = scope["state"]["app_state"]
        response = app_state.response_cache.find(key)
        if response is not None and (encoding := preferred_encoding(response, headers)):
            return response.encoded_variants.get(encoding)
        return response

    def _is_cacheable(self, scope: Scope) -> bool:
        """Return whether the path belongs to an endpoint with `is_cacheable`."""
        return bool((match := self._path_pattern.match(scope["path"])) and match.lastindex)

    def _cache_key(self, scope: Scope, headers: HeaderMap) -> CacheKey | None:
        """Return None for requests with credentials, and for conditions that only the endpoint can evaluate."""
        cookie = headers.get(b"cookie", b"")
        has_credentials = b"authorization" in headers or self._session_cookie_prefix in cookie
        if has_credentials or (b"if-modified-since" in headers and b"if-none-match" not in headers):
            return None
        theme = theme_from_cookies(cookie.decode("latin-1")) if cookie else Theme.AUTO
        return scope["raw_path"], scope["query_string"], theme

    async def _respond(self, request: "_CacheRequest", receive: Receive) -> None:
        """Make the response, one request with this key at a time while the response is cacheable."""
        if await self._wait_for_others(request):
            return
        in_progress = request.app_state.response_cache.in_progress
        own = in_progress[request.key] = ResponseInProgress()
        metrics.cache_lookups.inc("miss")
        try:
            response = await self._run_app(request, receive, own)
        finally:
            own.finish()
            if in_progress.get(request.key) is own:
                del in_progress[request.key]
        if response is not None:
            await request.send_response(response[0], response[1], is_hit=False)

    async def _wait_for_others(self, request: "_CacheRequest") -> bool:
        """Wait while another request makes the response, and send that. Return False if this request must make its own.

        If the other request fails, or a change of the content meanwhile keeps its response out of the cache, one of the waiting
        requests tries next. If the response is not cacheable at all, all of them go on at once, and so do they after 5 seconds.
        """
        in_progress, deadline = request.app_state.response_cache.in_progress, time.monotonic() + _WAIT_TIMEOUT
        while (other := in_progress.get(request.key)) is not None and (remaining := deadline - time.monotonic()) > 0:
            is_cacheable = await other.wait(remaining)
            if await request.send_if_cached():
                return True
            if not is_cacheable:
                return False
        return False

    async def _run_app(
        self, request: "_CacheRequest", receive: Receive, own: ResponseInProgress
    ) -> tuple[CachedResponse, list[Header]] | None:
        """Return the response, and the headers for this client alone; None if it is not cacheable and has been sent."""
        cache = request.app_state.response_cache
        # Without conditions and content encodings: the cache needs the complete response, and applies both itself.
        scope = {**request.scope, "headers": [pair for pair in request.scope["headers"] if pair[0] not in _HANDLED_HEADERS]}
        generation = cache.generation
        send = _with_headers(request.send, _BYPASS)
        capture = ResponseCapture(scope, send, cache.max_entry_bytes, own.set_uncacheable)
        await self._app(scope, receive, capture)
        if capture.start is None:
            return None
        headers: list[Header] = capture.start["headers"]
        all_headers = [*self._constant_headers, *headers]  # those of the endpoint come last and take precedence
        response = _finish_response(
            all_headers, capture.body, scope["state"]["cache_policy"], route_template(scope), cache.expiry()
        )
        if response.size > cache.max_entry_bytes:
            own.set_uncacheable()
        cache.store(request.key, response, generation)
        return response, [pair for pair in headers if pair[0] in _RATE_LIMIT_HEADERS]


@dataclass(slots=True)
class _CacheRequest:
    """An anonymous request that may be answered from the cache."""

    app_state: AppState
    key: CacheKey
    scope: Scope
    headers: HeaderMap
    send: Send
    started: float

    async def send_if_cached(self) -> bool:
        """Send the cached response, log the request and count the view. Return False if there is no cached response."""
        response = self.app_state.response_cache.find(self.key)
        if response is None:
            return False
        server_timing.record("cache", time.perf_counter() - self.started)
        usage = self.app_state.rate_limits.last_usage(anonymous_client_key(self.scope))
        status = await self.send_response(response, rate_limit_headers([usage]) if usage else [], is_hit=True)
        correlation_id = self.scope["state"]["correlation_id"]
        record_hit(self.scope, self.headers, response, status, time.perf_counter() - self.started, correlation_id)
        return True

    async def send_response(self, response: CachedResponse, own_headers: Iterable[Header], *, is_hit: bool) -> int:
        """Send 200 or 304, in the best content encoding that the client accepts. Return the status.

        own_headers: the headers for this client, in addition to the stored ones. is_hit: the application has not run.
        """
        if encoding := preferred_encoding(response, self.headers):
            response = await self._encode(response, encoding)
        if has_response(self.headers, response):
            status, headers, body = 304, response.headers_304, b""
        else:
            status, headers, body = 200, response.headers, b"" if self.scope["method"] == "HEAD" else response.body
        all_headers = [*headers, *(HIT_HEADERS if is_hit else _MISS), *own_headers]
        start = {"type": "http.response.start", "status": status, "headers": all_headers}
        await self.send(start | {HAS_CONSTANT_HEADERS: True})
        await self.send({"type": "http.response.body", "body": body})
        return status

    async def _encode(self, response: CachedResponse, encoding: bytes) -> CachedResponse:
        """Return the response in a content encoding; it is compressed once."""
        if (variant := response.encoded_variants.get(encoding)) is not None:
            return variant
        headers = dict(response.headers)
        body = await anyio.to_thread.run_sync(content_encoding.ENCODERS[encoding], response.body)
        headers[b"content-encoding"] = encoding
        if not response.etag.startswith(b"W/"):  # a strong ETag identifies exact bytes
            headers[b"etag"] = response.etag[:-1] + b"-" + encoding + b'"'
        policy = CachePolicy(response.channels, response.counts_view_of)
        variant = _build_response(headers, body, policy, response.route, response.expires_at)
        self.app_state.response_cache.store_encoded(self.key, response, encoding, variant)
        return variant


def _finish_response(
    headers: Iterable[Header], body: bytes, policy: CachePolicy, route: str, expires_at: float
) -> CachedResponse:
    """Add the `ETag`, `Cache-Control` and `Vary` headers that the endpoint has not set."""
    fields = {name: value for name, value in headers if name not in _RATE_LIMIT_HEADERS}
    fields.setdefault(b"etag", b'W/"' + blake2b(body, digest_size=12).hexdigest().encode() + b'"')
    fields.setdefault(b"cache-control", b"no-cache")
    if content_encoding.is_compressible(fields.get(b"content-type", b""), len(body)):
        vary = fields.get(b"vary", b"")
        if b"Accept-Encoding" not in vary:
            fields[b"vary"] = vary + b", Accept-Encoding" if vary else b"Accept-Encoding"
    return _build_response(fields, body, policy, route, expires_at)


def _build_response(
    headers: dict[bytes, bytes], body: bytes, policy: CachePolicy, route: str, expires_at: float
) -> CachedResponse:
    return CachedResponse(
        is_compressible=b"content-encoding" not in headers
        and content_encoding.is_compressible(headers.get(b"content-type", b""), len(body)),
        headers=tuple((headers | {b"content-length": str(len(body)).encode()}).items()),
        headers_304=tuple(pair for pair in headers.items() if pair[0] in _HEADERS_ON_304),
        body=body,
        etag=headers[b"etag"],
        channels=policy.channels,
        route=route,
        counts_view_of=policy.counts_view_of,
        expires_at=expires_at,
    )


def _with_headers(send: Send, headers: Iterable[Header]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers
