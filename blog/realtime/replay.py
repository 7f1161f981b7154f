"""Joining without a hole: which channel, from which place in the log, and what happened since."""

from collections.abc import AsyncIterator, Iterable, Sequence

from blog.db.database import Database
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.events import Event, Position
from blog.domain.posts import posts
from blog.errors import NotFound
from blog.framework.request.state import AppState
from blog.realtime.rendered_events import RenderedEvent, filter_visible, render_events

EARLIEST = "earliest"
MAX_REPLAYED = 10_000
_RENDER_BATCH_SIZE = 10


class Gap(Exception):
    """The log does not reach back to this cursor: the client fetches the content anew and subscribes without it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def resolve_channel(ctx: Context, name: str) -> str:
    """The channel as the log spells it. Raises NotFound (no such channel, or hidden from the actor), NotSignedIn, Forbidden."""
    kind, _, rest = name.partition(":")
    match kind:
        case events.POSTS | events.COMMENTS if name == kind:
            return name
        case "post" if rest.isascii() and rest.isdigit() and len(rest) <= 18:
            return events.post_channel((await posts.get(ctx, int(rest))).id)
        case events.ME if name == kind:
            return events.personal_channel(ctx.require_actor().username)
        case "moderation" if name == events.MODERATION:
            policy.require_editor(ctx)
            return name
        case "tag" | "author" if rest:
            return f"{kind}:{rest.casefold()}"
        case _:
            raise NotFound("There is no such channel")


def start_id(after: str | None, latest: Position, trimmed_up_to: int) -> int:
    """The event id after which to follow; `floor` is the last that the log has forgotten.

    Raises Gap for a cursor of another epoch, of a future that never was, or of a past that is forgotten.
    """
    if after is None:
        return latest.id
    if after == EARLIEST:
        return trimmed_up_to
    epoch, _, number = after.rpartition(".")
    if epoch != latest.epoch or not (number.isascii() and number.isdigit()) or len(number) > 18 or int(number) > latest.id:
        raise Gap("epoch")
    if int(number) < trimmed_up_to:
        raise Gap("trimmed")
    return int(number)


async def missed_events(db: Database, channels: Iterable[str], after: str | None, latest: Position) -> tuple[int, list[Event]]:
    """The id to follow after, and the events of the channels from there to `now` that may still be told.

    Raises Gap, also when they are too many.
    """
    async with db.snapshot():  # nothing is trimmed between the look at the floor and the reading
        since = start_id(after, latest, await events.trimmed_up_to(db))
        return since, await _visible_between(db, frozenset(channels), since, latest.id)


async def _visible_between(db: Database, channels: frozenset[str], since: int, until: int) -> list[Event]:
    found: list[Event] = []
    while since < until and (batch := await events.after(db, since)):
        found += await filter_visible(
            db, [event for event in batch if event.id <= until and not channels.isdisjoint(event.channels)]
        )
        if len(found) > MAX_REPLAYED:
            raise Gap("trimmed")
        since = batch[-1].id
    return found


async def render_missed(state: AppState, epoch: str, found: Sequence[Event]) -> AsyncIterator[RenderedEvent]:
    """Their content, a few at a time: the next are made when these were taken, so that a slow client costs little memory."""
    for start in range(0, len(found), _RENDER_BATCH_SIZE):
        for bulletin in await render_events(state, epoch, found[start : start + _RENDER_BATCH_SIZE]):
            yield bulletin
