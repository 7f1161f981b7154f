"""Follows the event log and hands each event to every follower, in the log's order."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
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
from blog.realtime.rendered_events import RenderedEvent, render_events
from blog.schemas.feature_flags import Flag

log = structlog.stdlib.get_logger("blog.realtime")
_BATCH_SIZE = 100
_POLL_INTERVAL = 5.0
_MIN_READ_INTERVAL = 0.005  # seconds between two readings: of many writes, several are read together
_RETRY_AFTER = 30
_CLOSE_TIMEOUT = 3.0


class SubscriberProtocol(Protocol):
    """A connection: takes bulletins without ever waiting."""

    actor: Actor | None
    address: str
    transport: str

    def deliver(self, rendered: RenderedEvent) -> None:
        """Take one event."""
        ...

    def tick(self) -> None:
        """A second has gone by."""
        ...

    def close_unauthenticated(self) -> None:
        """Whoever this is may stay no longer."""
        ...

    def close_for_shutdown(self) -> None:
        """The server stops."""
        ...

    def close_disabled(self) -> None:
        """Live updates are switched off."""
        ...


class Hub:
    """One for each process. The log is the truth; a commit seen by the watcher is only a hint to read on."""

    def __init__(self, state: AppState) -> None:
        self.app_state = state
        self._subscribers: set[SubscriberProtocol] = set()
        self._addresses: Counter[str] = Counter()
        self._read_lock = anyio.Lock()
        self._is_closing, self._unsubscribed = False, anyio.Event()
        self.position = Position("", 0)
        self._database_outage = OutageLog(log, "live updates wait for the database", "live updates go on")
        self._session_check_outage = OutageLog(
            log, "sessions of live connections cannot be looked at", "sessions of live connections are looked at"
        )

    @property
    def subscriber_count(self) -> int:
        """How many follow now."""
        return len(self._subscribers)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Read on for ever; from the end of the log as it is at the start."""
        db = self.app_state.site.db
        watcher = db.watcher()
        await watcher.open()
        try:
            self.position = await events.position(db)
            # After the position: who says how far they have read knows all choices up to there, and so do their answers.
            await self.app_state.site.runtime_settings.refresh(db)
            self.app_state.response_cache.reset(self.position)
            task_status.started()
            while True:
                await watcher.wait(_POLL_INTERVAL)
                await self._try_catch_up()
                await anyio.sleep(_MIN_READ_INTERVAL)
        finally:
            with anyio.CancelScope(shield=True):
                await watcher.close()

    async def catch_up(self) -> Position:
        """Read to the end of the log now. Raises Unavailable. A cursor that somebody was given is then not ahead of us."""
        site, answers = self.app_state.site, self.app_state.response_cache
        async with self._read_lock:
            commits, is_behind = answers.commit_count(), True
            while is_behind:
                end, batch = await events.read_batch(site.db, self.position.id, limit=_BATCH_SIZE)
                if end.epoch != self.position.epoch or end.id < self.position.id:
                    await self._restart(end)
                    continue
                if batch:
                    await self._process_batch(batch)
                is_behind = len(batch) == _BATCH_SIZE
            answers.caught_up(commits)
        return self.position

    async def _process_batch(self, batch: Sequence[Event]) -> None:
        site, answers = self.app_state.site, self.app_state.response_cache
        if any(event.event_type is EventType.SITE_CHANGED for event in batch):
            await site.runtime_settings.refresh(site.db)
        for event in batch:
            answers.invalidate(event.id, event.channels)
        if self._subscribers:
            await self._deliver(batch)
        _record_lag(batch)
        self.position = Position(self.position.epoch, batch[-1].id)

    async def _restart(self, end: Position) -> None:
        """This is another log, such as that of a backup: what followers have heard is not in it. They come back to a gap."""
        log.warning("the event log is another one: live connections start again", epoch=end.epoch)
        await self.app_state.site.runtime_settings.refresh(self.app_state.site.db)
        self.position = end
        self.app_state.response_cache.reset(end)
        for follower in tuple(self._subscribers):
            follower.close_for_shutdown()

    async def _deliver(self, batch: Sequence[Event]) -> None:
        for bulletin in await render_events(self.app_state, self.position.epoch, batch):
            for follower in tuple(self._subscribers):
                follower.deliver(bulletin)

    async def monitor(self) -> None:
        """Once a second: heartbeats, followers that are too slow, and those who may not stay. In two queries for all of them."""
        while True:
            await anyio.sleep(1)
            is_on = self.app_state.site.runtime_settings.is_enabled(Flag.LIVE)
            for follower in tuple(self._subscribers):
                if is_on:
                    follower.tick()
                else:
                    follower.close_disabled()
            try:
                await self._close_unauthenticated()
                self._session_check_outage.recovered()
            except BlogError as error:
                self._session_check_outage.failed(error.detail)

    async def _close_unauthenticated(self) -> None:
        actors = {follower.actor for follower in self._subscribers if follower.actor}
        if not actors:
            return
        valid = await credential_checks.still_valid(self.app_state.site.db, actors, dt.datetime.now(dt.UTC))
        for follower in tuple(self._subscribers):
            if follower.actor in actors - valid:
                follower.close_unauthenticated()

    async def _try_catch_up(self) -> None:
        try:
            await self.catch_up()
            self._database_outage.recovered()
        except BlogError as error:
            # Nothing is lost: the next hint, or the end of patience, reads from the same place.
            self._database_outage.failed(error.detail)
        except Exception:
            # A bug must not end this task, and with it the server: it reads on from the same place when something happens.
            log.exception("live updates met an error")

    def subscribe(self, subscriber: SubscriberProtocol) -> Position:
        """Tell this follower of all that comes after the position returned. Raises TooManyRequests."""
        settings = self.app_state.site.settings
        if len(self._subscribers) >= settings.max_live_connections:
            metrics.rate_limited.inc("live")
            raise TooManyRequests("The server follows for as many clients as it can: try again later", retry_after=_RETRY_AFTER)
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
        """Tell it no more."""
        if subscriber in self._subscribers:
            self._unsubscribed.set()
            self._unsubscribed = anyio.Event()
            self._subscribers.discard(subscriber)
            metrics.live_connections.inc(-1, subscriber.transport)
            self._addresses[subscriber.address] -= 1
            if not self._addresses[subscriber.address]:
                del self._addresses[subscriber.address]

    async def close(self) -> None:
        """Say goodbye to everybody, and wait a moment until they have heard it."""
        self._is_closing = True
        for follower in tuple(self._subscribers):
            follower.close_for_shutdown()
        with anyio.move_on_after(_CLOSE_TIMEOUT):
            while self._subscribers:
                await self._unsubscribed.wait()


def _record_lag(batch: Sequence[Event]) -> None:
    now = dt.datetime.now(dt.UTC)
    for event in batch:  # clocks of two machines may differ: nothing comes before it happened
        metrics.event_lag.observe(max(0.0, (now - event.occurred_at).total_seconds()))


def matching_channels(event: Event, start_ids: Mapping[str, int]) -> list[str]:
    """The channels of the event that are followed (`since`: channel to the id after which it is), each once, in order."""
    return [channel for channel in event.channels if event.id > start_ids.get(channel, event.id)]
