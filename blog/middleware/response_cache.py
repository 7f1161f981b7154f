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
from blog.framework.caching.response_cache import Answer, Header, Key, Sharing
from blog.framework.caching.single_write import joined
from blog.framework.identity.authentication import cookie_name
from blog.framework.request.bots import is_reader
from blog.framework.request.state import Services
from blog.framework.request.theme_cookie import theme_in
from blog.framework.response.conditional import is_known
from blog.framework.templating import content_encoding
from blog.framework.urls.route_table import template_of
from blog.middleware.access_log import record
from blog.middleware.security import COMPLETE, HEADERS, Completing, Fields, constant_fields
from blog.observability import metrics, server_timing
from blog.settings import Settings

_PATIENCE = 5.0
_GROUP_NAME = re.compile(r"\?P<\w+>")
_HIT: tuple[Header, ...] = ((b"cache-status", b"blog; hit"), (b"x-cache", b"hit"))
_HIT_HEAD = joined(_HIT)
_SHARED_HIT: tuple[Header, ...] = ((b"cache-status", b"blog-shared; hit, blog; fwd=miss"), (b"x-cache", b"hit"))
_MISS: tuple[Header, ...] = ((b"cache-status", b"blog; fwd=miss"), (b"x-cache", b"miss"))
_SHARED_MISS: tuple[Header, ...] = ((b"cache-status", b"blog-shared; fwd=miss, blog; fwd=miss"), (b"x-cache", b"miss"))
_BYPASS: tuple[Header, ...] = ((b"cache-status", b"blog; fwd=bypass"), (b"x-cache", b"miss"))
_RATES = frozenset({b"ratelimit", b"ratelimit-policy"})  # of one client, not of the answer
_OURS = frozenset({b"accept-encoding", b"if-none-match"})
_ON_304 = frozenset({b"cache-control", b"content-location", b"etag", b"last-modified", b"live-cursor", b"vary"}) | {
    name.lower().encode() for name in (*HEADERS, "Strict-Transport-Security")
}


class AnswerCaching:
    """Plain ASGI, inside of the protection, which completes every answer, and outside of all else."""

    def __init__(self, app: ASGIApp, settings: Settings, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._session = cookie_name(settings).encode() + b"="
        self._origins = frozenset(origin.encode() for origin in settings.cors_origins)
        self._constant = constant_fields(settings)
        self._path = re.compile("|".join(_paths(routes)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        services: Services = scope["state"]["services"]
        headers: Fields = scope["state"]["fields"]
        key = self._key(scope, headers)
        asked = _Asked(services, key, scope, headers, send, started) if key else None
        if asked is not None and await asked.is_answered():
            return
        if not self._is_shared(scope):
            await self._app(scope, receive, send)
        elif asked is None or scope["method"] == "HEAD" or not services.answers.is_on:
            metrics.cache_lookups.add("bypass")
            await self._app(scope, receive, _adding(send, _BYPASS))
        else:
            await self._find_out(asked, receive)

    def _is_shared(self, scope: Scope) -> bool:
        """Does this path lead to an endpoint whose answers may be shared?"""
        match = self._path.match(scope["path"])
        return match is not None and match.lastindex is not None

    def _key(self, scope: Scope, headers: Fields) -> Key | None:
        """None for who is somebody, or wants what only the endpoint can decide."""
        cookie = headers.get(b"cookie", b"")
        if b"authorization" in headers or self._session in cookie:
            return None
        if b"if-modified-since" in headers and b"if-none-match" not in headers:
            return None
        origin = headers.get(b"origin", b"")
        theme = theme_in(cookie.decode("latin-1")) if cookie else ""
        return scope["raw_path"], scope["query_string"], theme, origin if origin in self._origins else b""

    async def _find_out(self, asked: "_Asked", receive: Receive) -> None:
        """One request makes the answer; those that come meanwhile wait for it, and make their own only if it was not kept."""
        flights = asked.services.answers.flights
        if (flight := flights.get(asked.key)) is not None:
            with anyio.move_on_after(_PATIENCE):
                await flight.wait()
            if await asked.is_answered():
                return
        flight = flights[asked.key] = asyncio.Event()
        try:
            shared = await self._take_over(asked)
            metrics.cache_lookups.add("shared" if shared else "miss")
            made = None if shared else await self._make(asked, receive)
        finally:
            flight.set()
            if flights.get(asked.key) is flight:
                del flights[asked.key]
        if shared is not None:
            await asked.answer(shared, _SHARED_HIT)
        elif made is not None:
            await self._hand_out(asked, made)

    async def _take_over(self, asked: "_Asked") -> Answer | None:
        """The answer that another worker has made; None when there is none that is certain to be the present one."""
        answers, shared = asked.services.answers, asked.services.shared_answers
        if not answers.is_certain or (found := await shared.find(asked.key)) is None:
            return None
        answer, made_at = found
        if not answers.is_present(answer.channels, made_at):
            return None
        answers.keep(asked.key, answer, answers.moment())
        return answer

    async def _make(self, asked: "_Asked", receive: Receive) -> "_Made | None":
        """The answer; None when it may not be shared and was sent as it came."""
        answers = asked.services.answers
        # Whether the client has it, and how it is compressed, is ours to see: the cache needs the whole answer as it is.
        scope = {**asked.scope, "headers": [pair for pair in asked.scope["headers"] if pair[0] not in _OURS]}
        since = answers.moment()
        taking = _Taking(scope, _adding(asked.send, _BYPASS), answers.largest)
        await self._app(scope, receive, taking)
        if taking.start is None:
            return None
        headers: list[Header] = taking.start["headers"]
        completed = [*self._constant, *headers]  # its own come last, and hold
        answer = _finished(completed, taking.body, scope["state"]["sharing"], template_of(scope), answers.expiry())
        is_kept = answers.keep(asked.key, answer, since)
        return _Made(answer, [pair for pair in headers if pair[0] in _RATES], since.position if is_kept else None)

    async def _hand_out(self, asked: "_Asked", made: "_Made") -> None:
        """To who asked first, and then to the other workers."""
        shared = asked.services.shared_answers
        await asked.send_answer(made.answer, (*(_SHARED_MISS if shared.is_on else _MISS), *made.own))
        if made.made_at is not None:
            await shared.keep(asked.key, made.answer, made.made_at)


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer that was made just now, what belongs to this client alone, and after which event; None: it is old already."""

    answer: Answer
    own: list[Header]
    made_at: Position | None


@dataclass(slots=True)
class _Asked:
    """A stranger's request, and what sends to them."""

    services: Services
    key: Key
    scope: Scope
    headers: Fields
    send: Send
    started: float

    async def is_answered(self) -> bool:
        """Answer from the cache of this process, if the answer is there."""
        answer = self.services.answers.find(self.key)
        if answer is not None:
            metrics.cache_lookups.add("hit")
            await self.answer(answer, _HIT)
        return answer is not None

    async def answer(self, answer: Answer, status: Iterable[Header]) -> None:
        """Send what was kept, with its line in the log, and as a view if it is one."""
        if answer.viewed is not None and self.scope["method"] == "GET" and is_reader(Headers(scope=self.scope)):
            self.services.site.views.add(answer.viewed, dt.datetime.now(dt.UTC).date())
        server_timing.add("cache", time.perf_counter() - self.started)
        code = await self.send_answer(answer, status)
        record(self.scope, answer.route, code, time.perf_counter() - self.started)

    async def send_answer(self, answer: Answer, more: Iterable[Header]) -> int:
        """200 or 304, in the best coding that the client takes; the status."""
        if (accepted := self.headers.get(b"accept-encoding")) and (coding := content_encoding.chosen(accepted)):
            answer = await self._encoded(answer, coding)
        if (tags := self.headers.get(b"if-none-match")) and is_known(answer.tag, tags):
            code, head, headers, body = 304, answer.fresh_head, answer.fresh, b""
        else:
            code, head, headers, body = 200, answer.head, answer.headers, b"" if self.scope["method"] == "HEAD" else answer.body
        if more is _HIT and isinstance(self.send, Completing) and self.send.write(code, head + _HIT_HEAD, body):
            return code
        await self.send({"type": "http.response.start", "status": code, "headers": [*headers, *more], COMPLETE: True})
        await self.send({"type": "http.response.body", "body": body})
        return code

    async def _encoded(self, answer: Answer, coding: bytes) -> Answer:
        """The same in a content coding, made once; as it is when that makes no sense."""
        if (found := answer.encoded.get(coding)) is not None:
            return found
        headers = dict(answer.headers)
        if not content_encoding.is_worth_it(headers.get(b"content-type", b""), len(answer.body)):
            return answer
        body = await anyio.to_thread.run_sync(content_encoding.CODINGS[coding], answer.body)
        headers[b"content-encoding"] = coding
        if not answer.tag.startswith(b"W/"):  # a strong tag names these very bytes
            headers[b"etag"] = answer.tag[:-1] + b"-" + coding + b'"'
        encoded = _answer(headers, body, answer.channels, answer.route, answer.viewed, answer.expires_at)
        self.services.answers.encode(self.key, answer, coding, encoded)
        return encoded


class _Taking:
    """Takes an answer that may be shared; any other is sent on as it comes."""

    def __init__(self, scope: Scope, send: Send, most: int) -> None:
        self._scope, self._send, self._most = scope, send, most
        self._parts: list[bytes] = []
        self._size = 0
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _may_be_shared(self._scope, message):
            self.start = message
        elif self.start is None:
            await self._send(message)
        else:
            self._parts.append(message.get("body", b""))
            self._size += len(self._parts[-1])
            if self._size > self._most:
                start, self.start = self.start, None
                await self._send(start)
                await self._send({**message, "body": self.body})

    @property
    def body(self) -> bytes:
        """What was taken so far."""
        return b"".join(self._parts)


def _may_be_shared(scope: Scope, start: Message) -> bool:
    is_anybodys = all(name != b"set-cookie" for name, _ in start["headers"])
    return start["status"] == 200 and "sharing" in scope["state"] and is_anybodys


def _finished(headers: Iterable[Header], body: bytes, sharing: Sharing, route: str, expires_at: float) -> Answer:
    """The answer as it is kept: with a tag, and with what caches on the way must know."""
    kept = {name: value for name, value in headers if name not in _RATES}
    kept.setdefault(b"etag", b'W/"' + blake2b(body, digest_size=12).hexdigest().encode() + b'"')
    kept.setdefault(b"cache-control", b"no-cache")
    if content_encoding.is_worth_it(kept.get(b"content-type", b""), len(body)):
        varying = kept.get(b"vary", b"")
        if b"Accept-Encoding" not in varying:
            kept[b"vary"] = varying + b", Accept-Encoding" if varying else b"Accept-Encoding"
    return _answer(kept, body, sharing.channels, route, sharing.viewed, expires_at)


def _answer(
    headers: dict[bytes, bytes], body: bytes, channels: frozenset[str], route: str, viewed: int | None, expires_at: float
) -> Answer:
    return Answer(
        headers=tuple((headers | {b"content-length": str(len(body)).encode()}).items()),
        fresh=tuple(pair for pair in headers.items() if pair[0] in _ON_304),
        body=body,
        tag=headers[b"etag"],
        channels=channels,
        route=route,
        viewed=viewed,
        expires_at=expires_at,
    )


def _adding(send: Send, headers: Iterable[Header]) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return adding


def _paths(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """All paths as patterns, in the order in which they are tried; in a group where answers may be shared."""
    for route in routes:
        if isinstance(route, Mount):
            yield from _paths(route.routes, prefix + route.path) if route.routes else (re.escape(f"{prefix}{route.path}/"),)
        elif isinstance(route, Route):
            pattern = _GROUP_NAME.sub("?:", compile_path(prefix + route.path)[0].pattern)
            yield f"({pattern})" if getattr(route.endpoint, "is_shared", False) else pattern
