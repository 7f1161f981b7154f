"""Joining without a hole: which channel, from which place in the log, and what happened since."""

from collections.abc import AsyncIterator, Mapping, Sequence

from blog.db.database import Database
from blog.domain import events, posts
from blog.domain.context import Context
from blog.domain.events import Event, Position
from blog.errors import Conflict, NotFound
from blog.http.services import Services
from blog.live.bulletins import compose, tellable
from blog.live.messages import Bulletin

EARLIEST = "earliest"
MOST_REPLAYED = 10_000
_PAGE = 10


class Gap(Exception):
    """The log does not reach back to this cursor: the client fetches the content anew and subscribes without it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def channel(ctx: Context, name: str) -> str:
    """The channel as the log spells it. Raises NotFound for one that does not exist or is hidden from the actor."""
    kind, _, rest = name.partition(":")
    match kind:
        case "posts" | events.COMMENTS if name == kind:
            return name
        case "post" if rest.isascii() and rest.isdigit() and len(rest) <= 18:
            return events.post_channel((await posts.get(ctx, int(rest))).id)
        case "tag" | "author" if rest:
            return f"{kind}:{rest.casefold()}"
        case _:
            raise NotFound("There is no such channel")


def require_new(subscription: str, name: str, present: Mapping[str, str]) -> None:
    """Raises Conflict when the id or the channel is in use on this connection."""
    if subscription in present:
        raise Conflict("This id is in use: unsubscribe it first")
    if name in present.values():
        raise Conflict("This channel is followed already")


def start(after: str | None, now: Position) -> int:
    """The event id after which to follow. Raises Gap for a cursor of another epoch, or of a future that never was."""
    if after is None:
        return now.id
    if after == EARLIEST:
        return 0
    epoch, _, number = after.rpartition(".")
    if epoch != now.epoch or not (number.isascii() and number.isdigit()) or len(number) > 18 or int(number) > now.id:
        raise Gap("epoch")
    return int(number)


async def missed(db: Database, name: str, since: int, now: Position) -> list[Event]:
    """The events of the channel between the two places that may still be told. Raises Gap when they are too many."""
    found: list[Event] = []
    while since < now.id and (batch := await events.after(db, since)):
        found += await tellable(db, [event for event in batch if name in event.channels and event.id <= now.id])
        if len(found) > MOST_REPLAYED:
            raise Gap("trimmed")
        since = batch[-1].id
    return found


async def bulletins(services: Services, epoch: str, found: Sequence[Event]) -> AsyncIterator[Bulletin]:
    """Their content, a few at a time: the next are made when these were taken, so that a slow client costs little memory."""
    for start in range(0, len(found), _PAGE):
        for bulletin in await compose(services, epoch, found[start : start + _PAGE]):
            yield bulletin
