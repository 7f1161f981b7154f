"""The event log over HTTP: long polls and Server-Sent Events give what the WebSocket gives."""

from typing import Annotated

from pydantic import Field

from blog.schemas.fields import Input, Output
from blog.schemas.live import Channel, EventMessage

MAX_CHANNELS = 50


class StreamQuery(Input):
    """Which channels (the parameter may be repeated), and after which cursor; without one, from now on."""

    channel: Annotated[list[Channel], Field(min_length=1, max_length=MAX_CHANNELS)]
    after: Annotated[str, Field(min_length=1, max_length=100, description="A cursor, or `earliest`")] | None = None


class EventQuery(StreamQuery):
    """At most `limit` events; when there are none, the answer waits for one for up to `wait` seconds."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    wait: Annotated[float, Field(ge=0, le=60)] = 0


class EventsOut(Output):
    """What happened, in order, and the cursor for the next request.

    `reset`: the log does not reach back to the cursor that was sent; fetch the content anew and go on from this one.
    """

    events: list[EventMessage]
    cursor: str
    reset: bool
