"""Answers at once what was asked before and has not changed since: in front of logging, authentication and routing.

Only strangers are answered, and only from what was made for strangers: a request with credentials goes past, and so does
each answer that its endpoint did not `share`.
"""

import asyncio
import datetime as dt
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Mount, Route, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.domain.core.events import Position
from blog.framework.caching.response_cache import CachedResponse, CacheKey, CachePolicy, Header
from blog.framework.caching.single_write import encode_headers
from blog.framework.identity.authentication import session_cookie_name
from blog.framework.request.bots import is_human_view
from blog.framework.request.state import AppState
from blog.framework.request.theme_cookie import theme_from_cookies
from blog.framework.response.conditional import etag_matches
from blog.framework.templating import content_encoding
from blog.framework.urls.route_table import route_template, walk_routes
from blog.middleware.access_log import record_request
from blog.middleware.security import HAS_CONSTANT_HEADERS, SECURITY_HEADERS, HeaderMap, ResponseFinisher, constant_headers
from blog.observability import metrics, server_timing
from blog.settings import Settings

_WAIT_TIMEOUT = 5.0
_GROUP_NAME = re.compile(r"\?P<\w+>")
_HIT: tuple[Header, ...] = ((b"cache-status", b"blog; hit"), (b"x-cache", b"hit"))
_HIT_HEADER_BLOCK = encode_headers(_HIT)
_SHARED_HIT: tuple[Header, ...] = ((b"cache-status", b"blog-shared; hit, blog; fwd=miss"), (b"x-cache", b"hit"))
_MISS: tuple[Header, ...] = ((b"cache-status", b"blog; fwd=miss"), (b"x-cache", b"miss"))
_SHARED_MISS: tuple[Header, ...] = ((b"cache-status", b"blog-shared; fwd=miss, blog; fwd=miss"), (b"x-cache", b"miss"))
_BYPASS: tuple[Header, ...] = ((b"cache-status", b"blog; fwd=bypass"), (b"x-cache", b"miss"))
_RATE_LIMIT_HEADERS = frozenset({b"ratelimit", b"ratelimit-policy"})  # of one client, not of the answer
_HANDLED_HEADERS = frozenset({b"accept-encoding", b"if-none-match"})
_HEADERS_ON_304 = frozenset({b"cache-control", b"content-location", b"etag", b"last-modified", b"live-cursor", b"vary"}) | {
    name.lower().encode() for name in (*SECURITY_HEADERS, "Strict-Transport-Security")
}


class ResponseCacheMiddleware:
    """Plain ASGI, inside of the protection, which completes every answer, and outside of all else."""

    def __init__(self, app: ASGIApp, settings: Settings, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._session_cookie_prefix = session_cookie_name(settings).encode() + b"="
        self._cors_origins = frozenset(origin.encode() for origin in settings.cors_origins)
        self._constant_headers = constant_headers(settings)
        self._path_pattern = re.compile("|".join(_path_patterns(routes)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        services: AppState = scope["state"]["app_state"]
        headers: HeaderMap = scope["state"]["headers"]
        key = self._cache_key(scope, headers)
        asked = _CacheRequest(services, key, scope, headers, send, started) if key else None
        if asked is not None and await asked.send_if_cached():
            return
        if not self._is_cacheable(scope):
            await self._app(scope, receive, send)
        elif asked is None or scope["method"] == "HEAD" or not services.response_cache.is_enabled:
            metrics.cache_lookups.inc("bypass")
            await self._app(scope, receive, _with_headers(send, _BYPASS))
        else:
            await self._respond(asked, receive)

    def _is_cacheable(self, scope: Scope) -> bool:
        """Does this path lead to an endpoint whose answers may be shared?"""
        match = self._path_pattern.match(scope["path"])
        return match is not None and match.lastindex is not None

    def _cache_key(self, scope: Scope, headers: HeaderMap) -> CacheKey | None:
        """None for who is somebody, or wants what only the endpoint can decide."""
        cookie = headers.get(b"cookie", b"")
        if b"authorization" in headers or self._session_cookie_prefix in cookie:
            return None
        if b"if-modified-since" in headers and b"if-none-match" not in headers:
            return None
        origin = headers.get(b"origin", b"")
        theme = theme_from_cookies(cookie.decode("latin-1")) if cookie else ""
        return scope["raw_path"], scope["query_string"], theme, origin if origin in self._cors_origins else b""

    async def _respond(self, asked: "_CacheRequest", receive: Receive) -> None:
        """One request makes the answer; those that come meanwhile wait for it, and make their own only if it was not kept."""
        flights = asked.app_state.response_cache.in_progress
        if (flight := flights.get(asked.key)) is not None:
            with anyio.move_on_after(_WAIT_TIMEOUT):
                await flight.wait()
            if await asked.send_if_cached():
                return
        flight = flights[asked.key] = asyncio.Event()
        try:
            shared = await self._load_shared(asked)
            metrics.cache_lookups.inc("shared" if shared else "miss")
            made = None if shared else await self._run_app(asked, receive)
        finally:
            flight.set()
            if flights.get(asked.key) is flight:
                del flights[asked.key]
        if shared is not None:
            await asked.send_hit(shared, _SHARED_HIT)
        elif made is not None:
            await self._send_and_share(asked, made)

    async def _load_shared(self, asked: "_CacheRequest") -> CachedResponse | None:
        """The answer that another worker has made; None when there is none that is certain to be the present one."""
        answers, shared = asked.app_state.response_cache, asked.app_state.redis_cache
        if not answers.is_up_to_date or (found := await shared.find(asked.key)) is None:
            return None
        answer, made_at = found
        if not answers.is_current(answer.channels, made_at):
            return None
        answers.store(asked.key, answer, answers.generation())
        return answer

    async def _run_app(self, asked: "_CacheRequest", receive: Receive) -> "_NewResponse | None":
        """The answer; None when it may not be shared and was sent as it came."""
        answers = asked.app_state.response_cache
        # Whether the client has it, and how it is compressed, is ours to see: the cache needs the whole answer as it is.
        scope = {**asked.scope, "headers": [pair for pair in asked.scope["headers"] if pair[0] not in _HANDLED_HEADERS]}
        since = answers.generation()
        taking = _Capture(scope, _with_headers(asked.send, _BYPASS), answers.max_entry_bytes)
        await self._app(scope, receive, taking)
        if taking.start is None:
            return None
        headers: list[Header] = taking.start["headers"]
        completed = [*self._constant_headers, *headers]  # its own come last, and hold
        answer = _finish_response(completed, taking.body, scope["state"]["cache_policy"], route_template(scope), answers.expiry())
        is_kept = answers.store(asked.key, answer, since)
        return _NewResponse(
            answer, [pair for pair in headers if pair[0] in _RATE_LIMIT_HEADERS], since.position if is_kept else None
        )

    async def _send_and_share(self, asked: "_CacheRequest", made: "_NewResponse") -> None:
        """To who asked first, and then to the other workers."""
        shared = asked.app_state.redis_cache
        await asked.send_response(made.response, (*(_SHARED_MISS if shared.is_enabled else _MISS), *made.client_headers))
        if made.position is not None:
            await shared.store(asked.key, made.response, made.position)


@dataclass(frozen=True, slots=True)
class _NewResponse:
    """An answer that was made just now, what belongs to this client alone, and after which event; None: it is old already."""

    response: CachedResponse
    client_headers: list[Header]
    position: Position | None


@dataclass(slots=True)
class _CacheRequest:
    """A stranger's request, and what sends to them."""

    app_state: AppState
    key: CacheKey
    scope: Scope
    headers: HeaderMap
    send: Send
    started: float

    async def send_if_cached(self) -> bool:
        """Answer from the cache of this process, if the answer is there."""
        answer = self.app_state.response_cache.find(self.key)
        if answer is not None:
            metrics.cache_lookups.inc("hit")
            await self.send_hit(answer, _HIT)
        return answer is not None

    async def send_hit(self, answer: CachedResponse, status: Iterable[Header]) -> None:
        """Send what was kept, with its line in the log, and as a view if it is one."""
        if answer.counts_view_of is not None and self.scope["method"] == "GET" and is_human_view(Headers(scope=self.scope)):
            self.app_state.site.view_counter.add(answer.counts_view_of, dt.datetime.now(dt.UTC).date())
        server_timing.record("cache", time.perf_counter() - self.started)
        code = await self.send_response(answer, status)
        record_request(self.scope, answer.route, code, time.perf_counter() - self.started)

    async def send_response(self, answer: CachedResponse, more: Iterable[Header]) -> int:
        """200 or 304, in the best coding that the client takes; the status."""
        if (accepted := self.headers.get(b"accept-encoding")) and (coding := content_encoding.negotiate(accepted)):
            answer = await self._encode(answer, coding)
        if (tags := self.headers.get(b"if-none-match")) and etag_matches(answer.etag, tags):
            code, head, headers, body = 304, answer.header_block_304, answer.headers_304, b""
        else:
            code, head, headers, body = (
                200,
                answer.header_block,
                answer.headers,
                b"" if self.scope["method"] == "HEAD" else answer.body,
            )
        if more is _HIT and isinstance(self.send, ResponseFinisher) and self.send.write(code, head + _HIT_HEADER_BLOCK, body):
            return code
        await self.send({"type": "http.response.start", "status": code, "headers": [*headers, *more], HAS_CONSTANT_HEADERS: True})
        await self.send({"type": "http.response.body", "body": body})
        return code

    async def _encode(self, answer: CachedResponse, coding: bytes) -> CachedResponse:
        """The same in a content coding, made once; as it is when that makes no sense."""
        if (found := answer.encoded_variants.get(coding)) is not None:
            return found
        headers = dict(answer.headers)
        if not content_encoding.is_compressible(headers.get(b"content-type", b""), len(answer.body)):
            return answer
        body = await anyio.to_thread.run_sync(content_encoding.ENCODERS[coding], answer.body)
        headers[b"content-encoding"] = coding
        if not answer.etag.startswith(b"W/"):  # a strong tag names these very bytes
            headers[b"etag"] = answer.etag[:-1] + b"-" + coding + b'"'
        encoded = _build_response(headers, body, answer.channels, answer.route, answer.counts_view_of, answer.expires_at)
        self.app_state.response_cache.store_encoded(self.key, answer, coding, encoded)
        return encoded


class _Capture:
    """Takes an answer that may be shared; any other is sent on as it comes."""

    def __init__(self, scope: Scope, send: Send, most: int) -> None:
        self._scope, self._send, self._max_bytes = scope, send, most
        self._parts: list[bytes] = []
        self._size = 0
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_response_cacheable(self._scope, message):
            self.start = message
        elif self.start is None:
            await self._send(message)
        else:
            self._parts.append(message.get("body", b""))
            self._size += len(self._parts[-1])
            if self._size > self._max_bytes:
                start, self.start = self.start, None
                await self._send(start)
                await self._send({**message, "body": self.body})

    @property
    def body(self) -> bytes:
        """What was taken so far."""
        return b"".join(self._parts)


def _is_response_cacheable(scope: Scope, start: Message) -> bool:
    is_anybodys = all(name != b"set-cookie" for name, _ in start["headers"])
    return start["status"] == 200 and "cache_policy" in scope["state"] and is_anybodys


def _finish_response(
    headers: Iterable[Header], body: bytes, sharing: CachePolicy, route: str, expires_at: float
) -> CachedResponse:
    """The answer as it is kept: with a tag, and with what caches on the way must know."""
    kept = {name: value for name, value in headers if name not in _RATE_LIMIT_HEADERS}
    kept.setdefault(b"etag", b'W/"' + blake2b(body, digest_size=12).hexdigest().encode() + b'"')
    kept.setdefault(b"cache-control", b"no-cache")
    if content_encoding.is_compressible(kept.get(b"content-type", b""), len(body)):
        varying = kept.get(b"vary", b"")
        if b"Accept-Encoding" not in varying:
            kept[b"vary"] = varying + b", Accept-Encoding" if varying else b"Accept-Encoding"
    return _build_response(kept, body, sharing.channels, route, sharing.counts_view_of, expires_at)


def _build_response(
    headers: dict[bytes, bytes], body: bytes, channels: frozenset[str], route: str, viewed: int | None, expires_at: float
) -> CachedResponse:
    return CachedResponse(
        headers=tuple((headers | {b"content-length": str(len(body)).encode()}).items()),
        headers_304=tuple(pair for pair in headers.items() if pair[0] in _HEADERS_ON_304),
        body=body,
        etag=headers[b"etag"],
        channels=channels,
        route=route,
        counts_view_of=viewed,
        expires_at=expires_at,
    )


def _with_headers(send: Send, headers: Iterable[Header]) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return adding


def _path_patterns(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """Yield the pattern of each route in matching order; patterns of cacheable endpoints are a group."""
    for route, path, _ in walk_routes(routes):
        if isinstance(route, Mount):
            yield re.escape(f"{path}/")
        elif isinstance(route, Route):
            pattern = _GROUP_NAME.sub("?:", compile_path(path)[0].pattern)
            yield f"({pattern})" if getattr(route.endpoint, "is_cacheable", False) else pattern
