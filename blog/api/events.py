"""The event log over HTTP: by long poll, and as Server-Sent Events."""

import contextlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from blog.domain.core.events import Position
from blog.errors import Forbidden
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.identity.authentication import network_of
from blog.framework.request.context import context
from blog.framework.request.parsing import read_query
from blog.realtime import Hub, Subscriber, replay
from blog.realtime.rendered_events import Bulletin
from blog.realtime.replay import Gap
from blog.schemas.events import EventQuery, EventsOut, StreamQuery
from blog.schemas.feature_flags import Flag

_STREAM = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold back what fills no buffer
_LAST_SECONDS = 1.0
_RECONNECT_MS = (500, 5000)


class Say(Protocol):
    """Sends a piece of the stream."""

    async def __call__(self, text: str, more: bool = True) -> None:
        """`more`: others will follow."""
        ...


class EventList(ApiEndpoint):
    """/api/v1/events — what happened since a cursor."""

    @operation("Read events, or wait for one", query=EventQuery, answers={200: EventsOut}, errors={403, 404})
    async def get(self, request: Request) -> Response:
        """The events of some channels after a cursor; when there are none, the first that comes within `wait` seconds."""
        query = read_query(request, EventQuery)
        channels, hub = await _channels(request, query), _hub(request)
        woken = anyio.Event()
        subscriber = _subscriber(request, Bulletin.text, woken.set, "poll")
        with _joined(hub, subscriber):
            now = await hub.catch_up()
            subscriber.follow(channels, now.id)
            try:
                answer = await _page(hub, channels, query.after, now, query.limit)
            except Gap:
                return _events([], now.cursor, is_reset=True)
            if answer is None and query.wait:
                with anyio.move_on_after(query.wait):
                    await subscriber.next()
                cursor, now = now.cursor, await hub.catch_up()
                answer = await _page(hub, channels, cursor, now, query.limit)
        return answer or _events([], now.cursor)


class EventStream(ApiEndpoint):
    """/api/v1/events/stream — what happens, as it happens."""

    @operation(
        "Follow events",
        query=StreamQuery,
        answers={200: str},
        answer_type=_STREAM,
        errors={403, 404},
        sends={"Last-Event-ID"},
    )
    async def get(self, request: Request) -> Response:
        """Server-Sent Events: `id` is the cursor, `data` what the WebSocket sends; `gap` says that the cursor is too old."""
        query = read_query(request, StreamQuery)
        channels = await _channels(request, query)
        if request.method == "HEAD":
            return Response(None, 200, _HEADERS, _STREAM)
        after = request.headers.get("last-event-id") or query.after
        return _Stream(request, channels, after)


class _Stream(Response):
    """An answer that goes on until either side ends it."""

    def __init__(self, request: Request, channels: Sequence[str], after: str | None) -> None:
        super().__init__(None, 200, _HEADERS, _STREAM)
        del self.headers["content-length"]
        self._hub, self._channels, self._after = _hub(request), channels, after
        self._scope = anyio.CancelScope()
        self._subscriber = _subscriber(request, _event, self._hurry, "stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """From the first event to the last."""

        async def say(text: str, more: bool = True) -> None:
            await self._subscriber.sending(send({"type": "http.response.body", "body": text.encode(), "more_body": more}))

        with _joined(self._hub, self._subscriber):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                with self._scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._listen, receive)
                        await self._replay(say)
                        await self._go_on(say)
                        tasks.cancel_scope.cancel()
                with anyio.move_on_after(_LAST_SECONDS):
                    await say("", more=False)
            finally:
                self._subscriber.end(1011, "")

    def _hurry(self) -> None:
        """It is over: what is queued may still be taken, but by nobody who left, or was too slow before."""
        ending = self._subscriber.ending
        rest = 0.0 if ending is None or ending.code in (1000, 4503) else _LAST_SECONDS
        self._scope.deadline = anyio.current_time() + rest

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscriber.end(1000, "")

    async def _replay(self, say: Say) -> None:
        try:
            await self._join(say, self._after)
        except Gap as gap:
            await say(_field(event="gap", data=json.dumps({"type": "gap", "reason": gap.reason})))
            await self._join(say, None)

    async def _join(self, say: Say, after: str | None) -> None:
        async with self._subscriber.joining(self._channels, after) as missed:
            if not missed.events:  # who loses the connection before anything happens resumes from here
                await say(_field(retry=str(_RECONNECT_MS[0]), id=missed.now.cursor))
            async for bulletin, channels in missed.bulletins():
                await say(_event(bulletin, channels))

    async def _go_on(self, say: Say) -> None:
        while (text := await self._subscriber.next()) is not None:
            await say(text)


async def _channels(request: Request, query: StreamQuery) -> list[str]:
    ctx = context(request)
    if not ctx.site.choices.on(Flag.LIVE):
        raise Forbidden("Live updates are switched off")
    return list(dict.fromkeys([await replay.channel(ctx, name) for name in query.channel]))


async def _page(hub: Hub, channels: Sequence[str], after: str | None, now: Position, limit: int) -> Response | None:
    """What happened up to `now`; None when nothing did. Raises Gap."""
    _, found = await replay.missed(hub.services.site.db, channels, after, now)
    texts = [
        bulletin.text([channel for channel in channels if channel in bulletin.event.channels])
        async for bulletin in replay.bulletins(hub.services, now.epoch, found[:limit])
    ]
    if len(found) > limit:
        now = Position(now.epoch, found[limit - 1].id)
    return _events(texts, now.cursor) if found else None


def _events(texts: Sequence[str], cursor: str, *, is_reset: bool = False) -> Response:
    rest = json.dumps({"cursor": cursor, "reset": is_reset})
    return Response(f'{{"events":[{",".join(texts)}],{rest[1:]}', 200, {"Cache-Control": "no-store"}, "application/json")


def _event(bulletin: Bulletin, channels: list[str]) -> str:
    return _field(id=bulletin.cursor, event=bulletin.event.name.value, data=bulletin.text(channels))


def _goodbye() -> str:
    milliseconds = random.randint(*_RECONNECT_MS)  # noqa: S311 (spreads the load, guards nothing)
    message = {"type": "bye", "reason": "shutdown", "reconnect_ms": _RECONNECT_MS}
    return _field(retry=str(milliseconds), event="bye", data=json.dumps(message))


def _field(**fields: str) -> str:
    """One event of the stream; JSON has no line ends of its own."""
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


def _subscriber(
    request: Request, encode: Callable[[Bulletin, list[str]], str], on_end: Callable[[], object], door: str
) -> Subscriber:
    subscriber = Subscriber(
        _hub(request),
        encode,
        heartbeat=": still there\n\n",
        on_end=on_end,
        goodbye=_goodbye,
        address=network_of(request),
        door=door,
    )
    subscriber.actor = context(request).actor
    return subscriber


@contextlib.contextmanager
def _joined(hub: Hub, subscriber: Subscriber) -> Iterator[None]:
    try:
        hub.join(subscriber)
        yield
    finally:
        hub.leave(subscriber)


def _hub(request: Request) -> Hub:
    return cast(Hub, request.state.hub)
