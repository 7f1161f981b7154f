"""Subscribe without a gap: resolve the channel and the cursor, and read the events missed since."""

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
    """The log does not reach back to this cursor: the client must fetch the content again and subscribe without a cursor."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def resolve_channel(ctx: Context, name: str) -> str:
    """Return the channel as it is written in the log.

    Raises NotFound if there is no such channel or the actor may not see it, NotAuthenticated and Forbidden.
    """
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
            raise NotFound("Unknown channel")


def start_id(after: str | None, latest: Position, trimmed_up_to: int) -> int:
    """Return the event id after which to replay.

    - `after`: the client's cursor; None: start at `latest`.
    - `trimmed_up_to`: id of the last event deleted from the log.

    Raises Gap for a cursor of another epoch, after the end of the log, or before its start.
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
    """Return the id after which to follow, and the visible events of the channels from there up to `latest`.

    Raises Gap, also for more than 10,000 events.
    """
    async with db.snapshot():  # the log is not trimmed between the two reads
        since = start_id(after, latest, await events.trimmed_up_to(db))
        return since, await _visible_between(db, frozenset(channels), since, latest.id)


async def _visible_between(db: Database, channels: frozenset[str], since: int, until: int) -> list[Event]:
    visible: list[Event] = []
    while since < until and (batch := await events.after(db, since)):
        visible += await filter_visible(
            db, [event for event in batch if event.id <= until and not channels.isdisjoint(event.channels)]
        )
        if len(visible) > MAX_REPLAYED:
            raise Gap("trimmed")
        since = batch[-1].id
    return visible


async def render_missed(state: AppState, epoch: str, missed: Sequence[Event]) -> AsyncIterator[RenderedEvent]:
    """Render missed events in batches of 10 as they are consumed, so that a slow client uses little memory."""
    for start in range(0, len(missed), _RENDER_BATCH_SIZE):
        for rendered in await render_events(state, epoch, missed[start : start + _RENDER_BATCH_SIZE]):
            yield rendered
