"""Resolve the channels and the cursor of a subscription, and find the events that it has missed since."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence

from blog.db.database import Database
from blog.domain.core import event_retention, events, policy
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.domain.read_models import live_events
from blog.errors import NotFound
from blog.text.normalisation import fold_name

EARLIEST = "earliest"
EVENTS_PER_UNIT = 50
"""Events that a replay returns for one unit of the rate limit."""
ROWS_PER_UNIT = 5_000
"""Rows of the log that a replay searches for one unit of the rate limit: a rare channel has few events among many rows."""

Charge = Callable[[int], Awaitable[None]]
"""Count the cost of a replay against the rate limit of the client, in units. Raises TooManyRequests."""


class Gap(Exception):
    """The log does not reach back to this cursor: the client must fetch the content again and subscribe without a cursor."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def no_charge(_units: int) -> None:
    """Count nothing, for events that arrive during a replay."""


async def resolve_channels(ctx: Context, names: Sequence[str]) -> Sequence[str]:
    """Return the channels as they are written in the log, without duplicates.

    Raises NotFound if there is no such channel or the actor may not see it, NotAuthenticated and Forbidden.
    """
    post_ids = {id_ for name in names if (id_ := _post_id(name)) is not None}
    posts = await post_queries.summaries_by_id(ctx.db, post_ids)  # one query: clients can name 50 posts
    return tuple(dict.fromkeys([_resolve_channel(ctx, name, posts) for name in names]))


def _post_id(name: str) -> int | None:
    kind, _, rest = name.partition(":")
    return int(rest) if kind == "post" and rest.isascii() and rest.isdigit() and len(rest) <= 18 else None


def _resolve_channel(ctx: Context, name: str, posts: Mapping[int, Post]) -> str:
    kind, _, rest = name.partition(":")
    match kind:
        case events.POSTS | events.COMMENTS if name == kind:
            return name
        case "post" if (post_id := _post_id(name)) is not None:
            return events.post_channel(policy.require_visible(ctx, posts.get(post_id)).id)
        case events.ME if name == kind:
            return events.personal_channel(ctx.require_actor().username)
        case "moderation" if name == events.MODERATION:
            policy.require_editor(ctx)
            return name
        case "tag" | "author" if rest:
            return f"{kind}:{fold_name(rest)}"
        case _:
            raise NotFound("Unknown channel")


def cursor_id(after: str | None, latest: Position) -> int:
    """Return the event id of a cursor: 0 for the earliest event, and that of `latest` without a cursor.

    Raises Gap for a cursor of another epoch or after the end of the log.
    """
    if after is None:
        return latest.id
    if after == EARLIEST:
        return 0
    epoch, _, number = after.rpartition(".")
    if epoch != latest.epoch or not (number.isascii() and number.isdigit()) or len(number) > 18 or int(number) > latest.id:
        raise Gap("epoch")
    return int(number)


async def missed_events(
    db: Database, channels: Sequence[str], after: str | None, latest: Position, charge: Charge, limit: int
) -> tuple[int, Sequence[int]]:
    """Return the event id after which to replay, and the ids of the visible events of the channels from there up to `latest`.

    - `charge`: called with the cost before the search, and again before the events are rendered.
    - `limit`: maximum number of events; one id more shows that there are more.

    Raises Gap, TooManyRequests and Unavailable.
    """
    since = cursor_id(after, latest)
    if since == latest.id:
        return since, []
    if since < (trimmed := await event_retention.trimmed_up_to(db)):
        if after != EARLIEST and since < await event_retention.trimmed_in_channels(db, channels):
            raise Gap("trimmed")
        since = trimmed  # events of other channels
    await charge((latest.id - since) // ROWS_PER_UNIT)
    ids = await live_events.visible_ids(db, channels, since, latest.id, limit=limit + 1)
    # Again, as the log may have been trimmed in between.
    if since < await event_retention.trimmed_up_to(db) and since < await event_retention.trimmed_in_channels(db, channels):
        raise Gap("trimmed")
    await charge(math.ceil(min(len(ids), limit) / EVENTS_PER_UNIT))
    return since, ids
