"""The event log over HTTP: long polling and Server-Sent Events."""

import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import cast

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from blog.errors import Forbidden, NotAuthenticated, Unavailable
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.identity.authentication import client_key, client_network
from blog.framework.request.context import request_context
from blog.framework.request.parsing import read_query
from blog.framework.request.state import app_state
from blog.middleware.timeout import disable_timeout
from blog.realtime import Hub, Subscriber, replay
from blog.realtime.backlog import Backlog
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Charge, Gap
from blog.realtime.subscription import CloseReason, EventEncoder
from blog.schemas.events import EventQuery, EventsOut, StreamQuery
from blog.schemas.feature_flags import Flag

_MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx delays events until its buffer is full
_FINAL_SEND_TIMEOUT = 1.0
_MAX_RESPONSE_BYTES = 8_000_000
"""500 events of a post of 256 KiB were 263 MB: 2.0 s of CPU time, and 19 s until the server stopped with four such requests."""
_RECONNECT_MS = (500, 5000)
_SUBSCRIPTION = ""  # the only one of these transports, and without a name
SendText = Callable[[str], Awaitable[None]]


class EventList(ApiEndpoint):
    """/api/v1/events: the events since a cursor."""

    @operation("Read events, or wait for one", query=EventQuery, responses={200: EventsOut}, errors={403, 404})
    async def get(self, request: Request) -> Response:
        """Return the events of the channels after the cursor. If there are none, wait up to `wait` seconds for one.

        A response ends early, with the cursor of its last event, when it exceeds 8 MB.

        The cost against the rate limit is one unit for each started 50 events and for each 5,000 rows of the log that are
        searched, but at least one. Answers 401 or 403 if the credentials or the role of the client end while it waits.
        """
        query = read_query(request, EventQuery)
        disable_timeout(request)
        channels, hub, charge = await _resolve_channels(request, query), _hub(request), _charge_for(request)
        subscriber = _make_subscriber(request, lambda *_: "", lambda: None, "poll")
        with _subscribed(hub, subscriber):
            subscriber.follow(_SUBSCRIPTION, channels)
            try:
                backlog = await Backlog.open(hub, channels, query.after, charge, query.limit)
                if not backlog.count and query.wait:
                    with anyio.move_on_after(query.wait):
                        await subscriber.next_message()
                    backlog = await Backlog.open(hub, channels, backlog.end.cursor, charge, query.limit)
                (messages, cursor), is_reset = await _render_page(backlog), False
            except Gap:
                messages, cursor, is_reset = [], hub.position.cursor, True
        _require_open(subscriber)
        return _events_response(messages, cursor, is_reset=is_reset)


class EventStream(ApiEndpoint):
    """/api/v1/events/stream: the events as a stream."""

    @operation(
        "Follow events",
        query=StreamQuery,
        responses={200: str},
        response_type=_MEDIA_TYPE,
        errors={403, 404},
        request_headers={"Last-Event-ID"},
    )
    async def get(self, request: Request) -> Response:
        """Stream Server-Sent Events. `id` is the cursor, `data` the message of the WebSocket; `gap`: the cursor is too old."""
        query = read_query(request, StreamQuery)
        channels = await _resolve_channels(request, query)
        if request.method == "HEAD":
            return Response(None, 200, _HEADERS, _MEDIA_TYPE)
        after = request.headers.get("last-event-id") or query.after
        return _EventStreamResponse(request, channels, after)


class _EventStreamResponse(Response):
    """A response that streams events until either side closes it."""

    def __init__(self, request: Request, channels: Sequence[str], after: str | None) -> None:
        super().__init__(None, 200, _HEADERS, _MEDIA_TYPE)
        del self.headers["content-length"]
        self._hub, self._channels, self._after = _hub(request), channels, after
        self._charge = _charge_for(request)
        self._cancel_scope = anyio.CancelScope()
        self._subscriber = _make_subscriber(request, _sse_event, self._shorten_deadline, "stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, and close the subscription at its end."""

        async def send_text(text: str) -> None:
            await self._subscriber.track_send(send({"type": "http.response.body", "body": text.encode(), "more_body": True}))

        with _subscribed(self._hub, self._subscriber):
            gap, backlog = await self._open_backlog(self._after)
            _require_open(self._subscriber)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                with self._cancel_scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._wait_for_disconnect, receive)
                        await self._replay(send_text, gap, backlog)
                        await self._forward(send_text)
                        tasks.cancel_scope.cancel()
                with anyio.move_on_after(_FINAL_SEND_TIMEOUT):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                self._subscriber.close_failed()

    def _shorten_deadline(self) -> None:
        """Give the client one second to read the queue, unless it has disconnected or was too slow before."""
        reason = self._subscriber.close_reason
        timeout = 0.0 if reason is None or reason.code in (1000, 4503) else _FINAL_SEND_TIMEOUT
        self._cancel_scope.deadline = anyio.current_time() + timeout

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscriber.close(1000, "")

    async def _open_backlog(self, after: str | None) -> tuple[Gap | None, Backlog]:
        """Return the missed events; if the log does not reach back, the gap and an empty backlog."""
        try:
            return None, await Backlog.open(self._hub, self._channels, after, self._charge)
        except Gap as gap:
            return gap, await Backlog.open(self._hub, self._channels, None, self._charge)

    async def _replay(self, send_text: SendText, gap: Gap | None, backlog: Backlog) -> None:
        if gap is not None:
            await send_text(_format_sse(event="gap", data=json.dumps({"type": "gap", "reason": gap.reason})))
        if not backlog.count:  # a client that disconnects before the first event resumes from this id
            await send_text(_format_sse(retry=str(_RECONNECT_MS[0]), id=backlog.start.cursor))
        try:
            async for text in self._subscriber.replay(_SUBSCRIPTION, backlog):
                await send_text(text)
        except Gap as later:
            await self._replay(send_text, later, (await self._open_backlog(None))[1])
        except Unavailable as error:  # the client reconnects and resumes
            self._subscriber.close(1013, error.detail)

    async def _forward(self, send_text: SendText) -> None:
        while (text := await self._subscriber.next_message()) is not None:
            await send_text(text)


async def _resolve_channels(request: Request, query: StreamQuery) -> Sequence[str]:
    ctx = request_context(request)
    if not ctx.site.runtime_settings.is_enabled(Flag.LIVE):
        raise Forbidden("Live updates are turned off")
    return await replay.resolve_channels(ctx, query.channel)


def _charge_for(request: Request) -> Charge:
    """Return a function that counts the cost of a replay. The request itself has been counted as the first unit."""
    limits, key, prepaid = app_state(request).rate_limits, client_key(request), 1

    async def charge(units: int) -> None:
        nonlocal prepaid
        due, prepaid = units - prepaid, max(0, prepaid - units)
        await limits.charge(request, key, due)

    return charge


def _require_open(subscriber: Subscriber) -> None:
    """Raise NotAuthenticated or Forbidden if the client has lost its access since the start of the request."""
    match subscriber.close_reason:
        case CloseReason(4401, reason):
            raise NotAuthenticated(reason)
        case CloseReason(4403 | 1013, reason):
            raise Forbidden(reason)


async def _render_page(backlog: Backlog) -> tuple[Sequence[bytes], str]:
    """Return the missed events up to `_MAX_RESPONSE_BYTES`, at least one if there are any, and the cursor after them."""
    # Encoded one by one: one character above U+00FF, such as an ellipsis, would double the memory of the whole text.
    messages, size = [], 0
    async for rendered, matching in backlog.missed_events():
        messages.append(rendered.to_message(matching).encode())
        size += len(messages[-1])
        if size >= _MAX_RESPONSE_BYTES:
            return messages, rendered.cursor
    return messages, backlog.end.cursor


def _events_response(messages: Sequence[bytes], cursor: str, *, is_reset: bool) -> Response:
    rest = json.dumps({"cursor": cursor, "reset": is_reset}).encode()
    return Response(
        b'{"events":[%b],%b' % (b",".join(messages), rest[1:]), 200, {"Cache-Control": "no-store"}, "application/json"
    )


def _sse_event(rendered: RenderedEvent, matches: Mapping[str, Sequence[str]]) -> str:
    channels = matches[_SUBSCRIPTION]
    return _format_sse(id=rendered.cursor, event=rendered.event.event_type.value, data=rendered.to_message(channels))


def _shutdown_event() -> str:
    milliseconds = random.randint(*_RECONNECT_MS)  # noqa: S311 (spreads the load; not a secret)
    message = {"type": "bye", "reason": "shutdown", "reconnect_ms": _RECONNECT_MS}
    return _format_sse(retry=str(milliseconds), event="bye", data=json.dumps(message))


def _format_sse(**fields: str) -> str:
    """Return an event of the stream. The values contain no line breaks, as JSON escapes them."""
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


def _make_subscriber(request: Request, encode: EventEncoder, on_close: Callable[[], object], transport: str) -> Subscriber:
    subscriber = Subscriber(
        _hub(request),
        encode,
        heartbeat=": heartbeat\n\n",
        on_close=on_close,
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
