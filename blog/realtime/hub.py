"""Follow the event log and deliver each event to every subscriber, in log order."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskStatus

from blog.domain.accounts import credential_checks
from blog.domain.core import events
from blog.domain.core.context import Actor
from blog.domain.core.events import Event, EventType, Position
from blog.errors import BlogError, TooManyRequests
from blog.framework.request.state import AppState
from blog.observability import metrics
from blog.observability.logging import OutageLog
from blog.realtime.rendered_events import EventRenderer, RenderedEvent
from blog.schemas.feature_flags import Flag

log = structlog.stdlib.get_logger("blog.realtime")
_BATCH_SIZE = 100
_POLL_INTERVAL = 5.0
_MIN_READ_INTERVAL = 0.005  # seconds between two reads, so that one read covers many writes
_RETRY_AFTER = 30
_CLOSE_TIMEOUT = 3.0


class SubscriberProtocol(Protocol):
    """A connection that receives rendered events. None of the methods waits."""

    actor: Actor | None
    address: str
    transport: str

    def deliver(self, rendered: RenderedEvent) -> None:
        """Queue one event."""
        ...

    def tick(self) -> None:
        """Check heartbeat and timeouts; called once a second."""
        ...

    def close_unauthenticated(self) -> None:
        """Close: the credentials are no longer valid."""
        ...

    def close_forbidden(self) -> None:
        """Close: the role has changed."""
        ...

    def close_for_shutdown(self) -> None:
        """Close: the server stops."""
        ...

    def close_disabled(self) -> None:
        """Close: live updates are turned off."""
        ...

    def close_failed(self) -> None:
        """Close: an internal error."""
        ...


class Hub:
    """Subscribers of one process, and its position in the log. The watcher of commits is only a hint to read the log."""

    def __init__(self, state: AppState) -> None:
        self.app_state, self.renderer = state, EventRenderer(state)
        self._subscribers: set[SubscriberProtocol] = set()
        self._addresses: Counter[str] = Counter()
        self._read_lock = anyio.Lock()
        self._is_closing, self._unsubscribed = False, anyio.Event()
        self.position = Position("", 0)
        self._database_outage = OutageLog(log, "live updates are paused: database unavailable", "live updates resumed")
        self._session_check_outage = OutageLog(
            log, "credentials of live connections cannot be checked", "credentials of live connections are checked again"
        )

    @property
    def subscriber_count(self) -> int:
        """Return the number of open live connections."""
        return len(self._subscribers)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Follow the log until cancelled, starting at its current end."""
        db = self.app_state.site.db
        watcher = db.watcher()
        await watcher.open()
        try:
            self.position = await events.position(db)
            # After the position: responses made at a position must reflect all settings changed up to it.
            await self.app_state.site.runtime_settings.refresh(db)
            self.app_state.response_cache.clear()
            task_status.started()
            while True:
                await watcher.wait(_POLL_INTERVAL)
                await self._try_catch_up()
                await anyio.sleep(_MIN_READ_INTERVAL)
        finally:
            with anyio.CancelScope(shield=True):
                await watcher.close()

    async def catch_up(self) -> Position:
        """Read to the end of the log and return the position: at or after every cursor sent before the call.

        Raises Unavailable if the database cannot be reached.
        """
        site, cache = self.app_state.site, self.app_state.response_cache
        async with self._read_lock:
            commits, is_behind = cache.commit_count(), True
            while is_behind:
                end, batch = await events.read_batch(site.db, self.position.id, limit=_BATCH_SIZE)
                if end.epoch != self.position.epoch or end.id < self.position.id:
                    await self._restart(end)
                    continue
                if batch:
                    await self._process_batch(batch)
                is_behind = len(batch) == _BATCH_SIZE
            cache.caught_up(commits)
        return self.position

    async def _process_batch(self, batch: Sequence[Event]) -> None:
        site, cache = self.app_state.site, self.app_state.response_cache
        if any(event.event_type is EventType.SITE_CHANGED for event in batch):
            await site.runtime_settings.refresh(site.db)
            self.renderer.clear()
            await self._close_unauthenticated()  # a role may have changed, or an account been suspended
        for event in batch:
            cache.invalidate(event.channels)
        if self._subscribers:
            await self._deliver(batch)
        _record_lag(batch)
        self.position = Position(self.position.epoch, batch[-1].id)

    async def _restart(self, end: Position) -> None:
        """Start at the end of a log that was replaced, as by a restored backup. Subscribers reconnect and receive a gap."""
        log.warning("event log was replaced: live connections restart", epoch=end.epoch)
        await self.app_state.site.runtime_settings.refresh(self.app_state.site.db)
        self.position = end
        self.app_state.response_cache.clear()
        self.renderer.clear()
        for subscriber in tuple(self._subscribers):
            subscriber.close_for_shutdown()

    async def _deliver(self, batch: Sequence[Event]) -> None:
        # Nothing is awaited between the deliveries and the new position: a subscription that starts at the position misses none.
        for rendered in await self.renderer.render(self.position.epoch, [event.id for event in batch], with_articles=True):
            for subscriber in tuple(self._subscribers):
                _call(subscriber, subscriber.deliver, rendered)

    async def monitor(self) -> None:
        """Send heartbeats and close subscribers that are too slow or no longer authenticated, once a second.

        All credentials are checked with two queries, however many subscribers there are.
        """
        while True:
            await anyio.sleep(1)
            is_enabled = self.app_state.site.runtime_settings.is_enabled(Flag.LIVE)
            for subscriber in tuple(self._subscribers):
                _call(subscriber, subscriber.tick if is_enabled else subscriber.close_disabled)
            try:
                await self._close_unauthenticated()
                self._session_check_outage.recovered()
            except BlogError as error:
                self._session_check_outage.failed(error.detail)

    async def _close_unauthenticated(self) -> None:
        actors = {subscriber.actor for subscriber in self._subscribers if subscriber.actor}
        if not actors:
            return
        valid = await credential_checks.still_valid(self.app_state.site.db, actors, dt.datetime.now(dt.UTC))
        for subscriber in tuple(self._subscribers):
            if subscriber.actor in actors - valid.keys():
                subscriber.close_unauthenticated()
            elif subscriber.actor and not valid.get(subscriber.actor, True):
                subscriber.close_forbidden()

    async def _try_catch_up(self) -> None:
        try:
            await self.catch_up()
            self._database_outage.recovered()
        except BlogError as error:
            # Nothing is lost: the next hint or poll reads from the same position.
            self._database_outage.failed(error.detail)
        except Exception:
            # An exception would end this task and the server with it. The next hint or poll reads from the same position.
            log.exception("live updates failed unexpectedly")

    def subscribe(self, subscriber: SubscriberProtocol) -> Position:
        """Add a subscriber and return the position after which it receives events.

        Raises TooManyRequests above the limits for the process and for one address.
        """
        settings = self.app_state.site.settings
        if len(self._subscribers) >= settings.max_live_connections:
            metrics.rate_limited.inc("live")
            raise TooManyRequests("Too many live connections on this server: try again later", retry_after=_RETRY_AFTER)
        if self._addresses[subscriber.address] >= settings.max_live_connections_per_address:
            metrics.rate_limited.inc("live-address")
            raise TooManyRequests("Too many live connections from this address: close some of them", retry_after=_RETRY_AFTER)
        self._subscribers.add(subscriber)
        metrics.live_connections.inc(1, subscriber.transport)
        self._addresses[subscriber.address] += 1
        if self._is_closing:
            subscriber.close_for_shutdown()
        return self.position

    def unsubscribe(self, subscriber: SubscriberProtocol) -> None:
        """Remove a subscriber, if it is there."""
        if subscriber in self._subscribers:
            self._unsubscribed.set()
            self._unsubscribed = anyio.Event()
            self._subscribers.discard(subscriber)
            metrics.live_connections.inc(-1, subscriber.transport)
            self._addresses[subscriber.address] -= 1
            if not self._addresses[subscriber.address]:
                del self._addresses[subscriber.address]

    async def close(self) -> None:
        """Close all subscribers for the shutdown, and wait up to three seconds until they have left."""
        self._is_closing = True
        for subscriber in tuple(self._subscribers):
            subscriber.close_for_shutdown()
        with anyio.move_on_after(_CLOSE_TIMEOUT):
            while self._subscribers:
                await self._unsubscribed.wait()


def _call(subscriber: SubscriberProtocol, method: Callable[..., None], *arguments: object) -> None:
    """Call a method of a subscriber, and close that one if it raises: others must not get the events of this read again."""
    try:
        method(*arguments)
    except Exception:
        log.exception("live connection failed", transport=subscriber.transport)
        subscriber.close_failed()


def _record_lag(batch: Sequence[Event]) -> None:
    now = dt.datetime.now(dt.UTC)
    for event in batch:  # clocks of two machines may differ, so a lag below zero counts as zero
        metrics.event_lag.observe(max(0.0, (now - event.occurred_at).total_seconds()))
