"""The events that a subscription has missed, up to the position of the hub."""

from collections.abc import AsyncIterator, Sequence
from typing import Self

from blog.domain.core import event_retention
from blog.domain.core.events import Position
from blog.realtime.hub import Hub
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Charge, Gap, missed_events, no_charge

MAX_REPLAYED = 10_000
_BATCH_SIZE = 20


class Backlog:
    """The missed events of a list of channels, in log order. Only their ids are stored: 10,000 events are 400 KB.

    `channels`: as written in the log. `start`: the position before the first missed event. `end`: the position up to which the
    events have been found. `count`: number of missed events.
    """

    def __init__(self, hub: Hub, channels: Sequence[str]) -> None:
        self._hub, self.channels = hub, channels
        self.start = self.end = hub.position
        self._ids: Sequence[int] = ()

    @classmethod
    async def open(cls, hub: Hub, channels: Sequence[str], after: str | None, charge: Charge, limit: int | None = None) -> Self:
        """Find the missed events.

        - `after`: the client's cursor, or None to follow from now on.
        - `charge`: counts the cost against the rate limit of the client.
        - `limit`: end after so many events; None: more than 10,000 events are a gap.

        Raises Gap, TooManyRequests and Unavailable.
        """
        await hub.catch_up()
        backlog = cls(hub, channels)
        since = await backlog._find(after, charge, limit)
        if backlog.count:
            backlog.start = Position(backlog.end.epoch, since)
        return backlog

    @property
    def count(self) -> int:
        """Return the number of missed events."""
        return len(self._ids)

    async def missed_events(self) -> AsyncIterator[tuple[RenderedEvent, Sequence[str]]]:
        """Yield the missed events, each with the channels that it belongs to. Raises Gap and Unavailable."""
        for begin in range(0, len(self._ids), _BATCH_SIZE):
            for rendered in await self._render(self._ids[begin : begin + _BATCH_SIZE]):
                if channels := [channel for channel in self.channels if channel in rendered.event.channels]:
                    yield rendered, channels

    async def events_until_live(self) -> AsyncIterator[tuple[RenderedEvent, Sequence[str]]]:
        """Yield the missed events, and those that arrive meanwhile, until the position of the hub is reached.

        The latter are read from the log too, so that nothing is buffered for a slow client. Raises Gap and Unavailable.
        """
        while True:
            async for rendered, channels in self.missed_events():
                yield rendered, channels
            if self.end == self._hub.position:
                return
            cursor, self.end = self.end.cursor, self._hub.position
            await self._find(cursor, no_charge, None)

    async def _find(self, after: str | None, charge: Charge, limit: int | None) -> int:
        """Find the events from `after` up to `end`, and return the id after which they begin."""
        db, most = self._hub.app_state.site.db, limit or MAX_REPLAYED
        since, ids = await missed_events(db, self.channels, after, self.end, charge, limit=most)
        if len(ids) > most:
            if limit is None:
                raise Gap("trimmed")
            self.end = Position(self.end.epoch, ids[most - 1])
        self._ids = ids[:most]
        return since

    async def _render(self, ids: Sequence[int]) -> Sequence[RenderedEvent]:
        with_articles = any(channel.startswith("post:") for channel in self.channels)
        rendered = await self._hub.renderer.render(self.end.epoch, ids, with_articles=with_articles)
        if len(rendered) < len(ids) and ids[0] <= await event_retention.trimmed_up_to(self._hub.app_state.site.db):
            raise Gap("trimmed")
        return rendered
