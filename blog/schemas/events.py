"""The event log over HTTP (long polling and Server-Sent Events), with the same events as the WebSocket."""

from typing import Annotated

from pydantic import Field

from blog.schemas.fields import Input, Output
from blog.schemas.live import MAX_CHANNELS, Channel, EventMessage


class StreamQuery(Input):
    """Channels (the parameter may be repeated), and the cursor to start after. Without a cursor: from now on."""

    channel: Annotated[list[Channel], Field(min_length=1, max_length=MAX_CHANNELS)]
    after: Annotated[str, Field(min_length=1, max_length=100, description="A cursor, or `earliest`")] | None = None


class EventQuery(StreamQuery):
    """At most `limit` events. If there are none, the response waits up to `wait` seconds for one."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    wait: Annotated[float, Field(ge=0, le=60)] = 0


class EventsOut(Output):
    """Events in log order, and the cursor for the next request.

    `reset`: the log does not reach back to the cursor of the request. Fetch the content again and continue with the new cursor.
    """

    events: list[EventMessage]
    cursor: str
    reset: bool
