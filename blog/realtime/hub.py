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
from blog.domain.core.events import Event, EventName, Position
from blog.errors import BlogError, TooManyRequests
from blog.framework.request.state import Services
from blog.observability import metrics
from blog.observability.logging import Outage
from blog.realtime.rendered_events import Bulletin, compose
from blog.schemas.feature_flags import Flag

log = structlog.stdlib.get_logger("blog.realtime")
_BATCH = 100
_PATIENCE = 5.0
_REST = 0.005  # seconds between two readings: of many writes, several are read together
_FULL = 30
_GOODBYE = 3.0


class Follower(Protocol):
    """A connection: takes bulletins without ever waiting."""

    actor: Actor | None
    address: str
    door: str

    def tell(self, bulletin: Bulletin) -> None:
        """Take one event."""
        ...

    def beat(self) -> None:
        """A second has gone by."""
        ...

    def expel(self) -> None:
        """Whoever this is may stay no longer."""
        ...

    def dismiss(self) -> None:
        """The server stops."""
        ...

    def turn_away(self) -> None:
        """Live updates are switched off."""
        ...


class Hub:
    """One for each process. The log is the truth; a commit seen by the watcher is only a hint to read on."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._followers: set[Follower] = set()
        self._addresses: Counter[str] = Counter()
        self._reading = anyio.Lock()
        self._is_closing, self._left = False, anyio.Event()
        self.position = Position("", 0)
        self._waiting = Outage(log, "live updates wait for the database", "live updates go on")
        self._blind = Outage(
            log, "sessions of live connections cannot be looked at", "sessions of live connections are looked at"
        )

    @property
    def followers(self) -> int:
        """How many follow now."""
        return len(self._followers)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Read on for ever; from the end of the log as it is at the start."""
        db = self.services.site.db
        watcher = db.watcher()
        await watcher.open()
        try:
            self.position = await events.position(db)
            # After the position: who says how far they have read knows all choices up to there, and so do their answers.
            await self.services.site.choices.refresh(db)
            self.services.answers.begin(self.position)
            task_status.started()
            while True:
                await watcher.wait(_PATIENCE)
                await self._read_on()
                await anyio.sleep(_REST)
        finally:
            with anyio.CancelScope(shield=True):
                await watcher.close()

    async def catch_up(self) -> Position:
        """Read to the end of the log now. Raises Unavailable. A cursor that somebody was given is then not ahead of us."""
        site, answers = self.services.site, self.services.answers
        async with self._reading:
            commits, is_behind = answers.commits(), True
            while is_behind:
                end, batch = await events.read_on(site.db, self.position.id, limit=_BATCH)
                if end.epoch != self.position.epoch or end.id < self.position.id:
                    await self._begin_anew(end)
                    continue
                if batch:
                    await self._take(batch)
                is_behind = len(batch) == _BATCH
            answers.follow(commits)
        return self.position

    async def _take(self, batch: Sequence[Event]) -> None:
        site, answers = self.services.site, self.services.answers
        if any(event.name is EventName.SITE_CHANGED for event in batch):
            await site.choices.refresh(site.db)
        for event in batch:
            answers.forget(event.id, event.channels)
        if self._followers:
            await self._tell(batch)
        _note_lag(batch)
        self.position = Position(self.position.epoch, batch[-1].id)

    async def _begin_anew(self, end: Position) -> None:
        """This is another log, such as that of a backup: what followers have heard is not in it. They come back to a gap."""
        log.warning("the event log is another one: live connections start again", epoch=end.epoch)
        await self.services.site.choices.refresh(self.services.site.db)
        self.position = end
        self.services.answers.begin(end)
        for follower in tuple(self._followers):
            follower.dismiss()

    async def _tell(self, batch: Sequence[Event]) -> None:
        for bulletin in await compose(self.services, self.position.epoch, batch):
            for follower in tuple(self._followers):
                follower.tell(bulletin)

    async def look_after(self) -> None:
        """Once a second: heartbeats, followers that are too slow, and those who may not stay. In two queries for all of them."""
        while True:
            await anyio.sleep(1)
            is_on = self.services.site.choices.on(Flag.LIVE)
            for follower in tuple(self._followers):
                if is_on:
                    follower.beat()
                else:
                    follower.turn_away()
            try:
                await self._expel_ended()
                self._blind.over()
            except BlogError as error:
                self._blind.met(error.detail)

    async def _expel_ended(self) -> None:
        actors = {follower.actor for follower in self._followers if follower.actor}
        if not actors:
            return
        valid = await credential_checks.valid(self.services.site.db, actors, dt.datetime.now(dt.UTC))
        for follower in tuple(self._followers):
            if follower.actor in actors - valid:
                follower.expel()

    async def _read_on(self) -> None:
        try:
            await self.catch_up()
            self._waiting.over()
        except BlogError as error:
            # Nothing is lost: the next hint, or the end of patience, reads from the same place.
            self._waiting.met(error.detail)
        except Exception:
            # A bug must not end this task, and with it the server: it reads on from the same place when something happens.
            log.exception("live updates met an error")

    def join(self, follower: Follower) -> Position:
        """Tell this follower of all that comes after the position returned. Raises TooManyRequests."""
        settings = self.services.site.settings
        if len(self._followers) >= settings.live_connections:
            metrics.refusals.add("live")
            raise TooManyRequests("The server follows for as many clients as it can: try again later", retry_after=_FULL)
        if self._addresses[follower.address] >= settings.live_connections_per_address:
            metrics.refusals.add("live-address")
            raise TooManyRequests("Too many live connections from this address: close some of them", retry_after=_FULL)
        self._followers.add(follower)
        metrics.live_connections.move(1, follower.door)
        self._addresses[follower.address] += 1
        if self._is_closing:
            follower.dismiss()
        return self.position

    def leave(self, follower: Follower) -> None:
        """Tell it no more."""
        if follower in self._followers:
            self._left.set()
            self._left = anyio.Event()
            self._followers.discard(follower)
            metrics.live_connections.move(-1, follower.door)
            self._addresses[follower.address] -= 1
            if not self._addresses[follower.address]:
                del self._addresses[follower.address]

    async def close(self) -> None:
        """Say goodbye to everybody, and wait a moment until they have heard it."""
        self._is_closing = True
        for follower in tuple(self._followers):
            follower.dismiss()
        with anyio.move_on_after(_GOODBYE):
            while self._followers:
                await self._left.wait()


def _note_lag(batch: Sequence[Event]) -> None:
    now = dt.datetime.now(dt.UTC)
    for event in batch:  # clocks of two machines may differ: nothing comes before it happened
        metrics.event_lag.add(max(0.0, (now - event.at).total_seconds()))


def matching(event: Event, since: Mapping[str, int]) -> list[str]:
    """The channels of the event that are followed (`since`: channel to the id after which it is), each once, in order."""
    return [channel for channel in event.channels if event.id > since.get(channel, event.id)]
