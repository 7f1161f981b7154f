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
from blog.framework.identity.authentication import client_network
from blog.framework.request.context import request_context
from blog.framework.request.parsing import read_query
from blog.realtime import Hub, Subscriber, replay
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Gap
from blog.schemas.events import EventQuery, EventsOut, StreamQuery
from blog.schemas.feature_flags import Flag

_MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold back what fills no buffer
_FINAL_SEND_TIMEOUT = 1.0
_RECONNECT_MS = (500, 5000)


class SendText(Protocol):
    """Sends a piece of the stream."""

    async def __call__(self, text: str, more: bool = True) -> None:
        """`more`: others will follow."""
        ...


class EventList(ApiEndpoint):
    """/api/v1/events — what happened since a cursor."""

    @operation("Read events, or wait for one", query=EventQuery, responses={200: EventsOut}, errors={403, 404})
    async def get(self, request: Request) -> Response:
        """The events of some channels after a cursor; when there are none, the first that comes within `wait` seconds."""
        query = read_query(request, EventQuery)
        channels, hub = await _resolve_channels(request, query), _hub(request)
        woken = anyio.Event()
        subscriber = _make_subscriber(request, RenderedEvent.to_message, woken.set, "poll")
        with _subscribed(hub, subscriber):
            now = await hub.catch_up()
            subscriber.follow(channels, now.id)
            try:
                answer = await _missed_events_response(hub, channels, query.after, now, query.limit)
            except Gap:
                return _events_response([], now.cursor, is_reset=True)
            if answer is None and query.wait:
                with anyio.move_on_after(query.wait):
                    await subscriber.next_message()
                cursor, now = now.cursor, await hub.catch_up()
                answer = await _missed_events_response(hub, channels, cursor, now, query.limit)
        return answer or _events_response([], now.cursor)


class EventStream(ApiEndpoint):
    """/api/v1/events/stream — what happens, as it happens."""

    @operation(
        "Follow events",
        query=StreamQuery,
        responses={200: str},
        response_type=_MEDIA_TYPE,
        errors={403, 404},
        request_headers={"Last-Event-ID"},
    )
    async def get(self, request: Request) -> Response:
        """Server-Sent Events: `id` is the cursor, `data` what the WebSocket sends; `gap` says that the cursor is too old."""
        query = read_query(request, StreamQuery)
        channels = await _resolve_channels(request, query)
        if request.method == "HEAD":
            return Response(None, 200, _HEADERS, _MEDIA_TYPE)
        after = request.headers.get("last-event-id") or query.after
        return _EventStreamResponse(request, channels, after)


class _EventStreamResponse(Response):
    """An answer that goes on until either side ends it."""

    def __init__(self, request: Request, channels: Sequence[str], after: str | None) -> None:
        super().__init__(None, 200, _HEADERS, _MEDIA_TYPE)
        del self.headers["content-length"]
        self._hub, self._channels, self._after = _hub(request), channels, after
        self._cancel_scope = anyio.CancelScope()
        self._subscriber = _make_subscriber(request, _sse_event, self._shorten_deadline, "stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """From the first event to the last."""

        async def say(text: str, more: bool = True) -> None:
            await self._subscriber.track_send(send({"type": "http.response.body", "body": text.encode(), "more_body": more}))

        with _subscribed(self._hub, self._subscriber):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                with self._cancel_scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._wait_for_disconnect, receive)
                        await self._replay(say)
                        await self._forward(say)
                        tasks.cancel_scope.cancel()
                with anyio.move_on_after(_FINAL_SEND_TIMEOUT):
                    await say("", more=False)
            finally:
                self._subscriber.close(1011, "")

    def _shorten_deadline(self) -> None:
        """It is over: what is queued may still be taken, but by nobody who left, or was too slow before."""
        ending = self._subscriber.close_reason
        rest = 0.0 if ending is None or ending.code in (1000, 4503) else _FINAL_SEND_TIMEOUT
        self._cancel_scope.deadline = anyio.current_time() + rest

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscriber.close(1000, "")

    async def _replay(self, say: SendText) -> None:
        try:
            await self._replay_from(say, self._after)
        except Gap as gap:
            await say(_format_sse(event="gap", data=json.dumps({"type": "gap", "reason": gap.reason})))
            await self._replay_from(say, None)

    async def _replay_from(self, say: SendText, after: str | None) -> None:
        async with self._subscriber.replaying(self._channels, after) as missed:
            if not missed.events:  # who loses the connection before anything happens resumes from here
                await say(_format_sse(retry=str(_RECONNECT_MS[0]), id=missed.latest.cursor))
            async for bulletin, channels in missed.rendered_events():
                await say(_sse_event(bulletin, channels))

    async def _forward(self, say: SendText) -> None:
        while (text := await self._subscriber.next_message()) is not None:
            await say(text)


async def _resolve_channels(request: Request, query: StreamQuery) -> list[str]:
    ctx = request_context(request)
    if not ctx.site.runtime_settings.is_enabled(Flag.LIVE):
        raise Forbidden("Live updates are switched off")
    return list(dict.fromkeys([await replay.resolve_channel(ctx, name) for name in query.channel]))


async def _missed_events_response(
    hub: Hub, channels: Sequence[str], after: str | None, now: Position, limit: int
) -> Response | None:
    """What happened up to `now`; None when nothing did. Raises Gap."""
    _, found = await replay.missed_events(hub.app_state.site.db, channels, after, now)
    texts = [
        bulletin.to_message([channel for channel in channels if channel in bulletin.event.channels])
        async for bulletin in replay.render_missed(hub.app_state, now.epoch, found[:limit])
    ]
    if len(found) > limit:
        now = Position(now.epoch, found[limit - 1].id)
    return _events_response(texts, now.cursor) if found else None


def _events_response(texts: Sequence[str], cursor: str, *, is_reset: bool = False) -> Response:
    rest = json.dumps({"cursor": cursor, "reset": is_reset})
    return Response(f'{{"events":[{",".join(texts)}],{rest[1:]}', 200, {"Cache-Control": "no-store"}, "application/json")


def _sse_event(bulletin: RenderedEvent, channels: list[str]) -> str:
    return _format_sse(id=bulletin.cursor, event=bulletin.event.event_type.value, data=bulletin.to_message(channels))


def _shutdown_event() -> str:
    milliseconds = random.randint(*_RECONNECT_MS)  # noqa: S311 (spreads the load, guards nothing)
    message = {"type": "bye", "reason": "shutdown", "reconnect_ms": _RECONNECT_MS}
    return _format_sse(retry=str(milliseconds), event="bye", data=json.dumps(message))


def _format_sse(**fields: str) -> str:
    """One event of the stream; JSON has no line ends of its own."""
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


def _make_subscriber(
    request: Request, encode: Callable[[RenderedEvent, list[str]], str], on_end: Callable[[], object], transport: str
) -> Subscriber:
    subscriber = Subscriber(
        _hub(request),
        encode,
        heartbeat=": still there\n\n",
        on_close=on_end,
        shutdown_message=_shutdown_event,
        address=client_network(request),
        transport=transport,
    )
    subscriber.actor = request_context(request).actor
    return subscriber


@contextlib.contextmanager
def _subscribed(hub: Hub, subscriber: Subscriber) -> Iterator[None]:
    try:
        hub.subscribe(subscriber)
        yield
    finally:
        hub.unsubscribe(subscriber)


def _hub(request: Request) -> Hub:
    return cast(Hub, request.state.hub)
