"""The messages of the WebSocket protocol `blog.live.v1`: one JSON object per text frame."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, TypeAdapter, model_validator

from blog.schemas.comments import CommentOut
from blog.schemas.fields import Input, Line, Output
from blog.schemas.posts import PostOut

SUBPROTOCOL = "blog.live.v1"
MAX_CHANNELS = 50
"""Channels of one connection, in all its subscriptions together."""
SubscriptionId = Annotated[Line, Field(min_length=1, max_length=64)]
Channel = Annotated[Line, Field(min_length=1, max_length=100)]


class Hello(Input):
    """Authenticate with a token, for clients that cannot send a cookie or a header field."""

    type: Literal["hello"]
    token: SecretStr = Field(max_length=1000)


class Subscribe(Input):
    """Follow one or more channels in log order: after a cursor, from the `earliest` event in the log, or from now on."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["channels"]}, {"required": ["channel"]}]})

    type: Literal["subscribe"]
    id: SubscriptionId
    # No `max_length`: a client with too many channels is closed with 4429, and not with 4400 for an invalid message.
    channels: Annotated[list[Channel], Field(min_length=1, json_schema_extra={"maxItems": MAX_CHANNELS})] | None = None
    channel: Annotated[Channel, Field(description="Short for `channels` with one channel")] | None = None
    after: Annotated[str, Field(min_length=1, max_length=100, description="The last cursor of this subscription")] | None = None

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        if (self.channels is None) == (self.channel is None):
            raise ValueError("give either channels or channel")
        return self

    @property
    def names(self) -> list[str]:
        """The names of the channels."""
        return self.channels or [self.channel or ""]


class Unsubscribe(Input):
    """End a subscription; the reply is `unsubscribed`."""

    type: Literal["unsubscribe"]
    id: SubscriptionId


class Ping(Input):
    """A check that the connection is alive. Both sides may send it."""

    type: Literal["ping"]


class Pong(Input):
    """The reply to a ping."""

    type: Literal["pong"]


ClientMessage = Annotated[Hello | Subscribe | Unsubscribe | Ping | Pong, Field(discriminator="type")]
client_message: TypeAdapter[Hello | Subscribe | Unsubscribe | Ping | Pong] = TypeAdapter(ClientMessage)


class Welcome(Output):
    """The first message, and the reply to `hello`: the end of the log, and the username (null: anonymous)."""

    type: Literal["welcome"]
    protocol: Literal["blog.live.v1"]
    cursor: str
    heartbeat: int = Field(description="Seconds between two pings of the server")
    user: str | None


class Subscribed(Output):
    """The confirmation of a subscription. The missed events follow immediately; `replayed` is their number."""

    type: Literal["subscribed"]
    id: str
    channels: list[str] = Field(min_length=1)
    cursor: str = Field(description="The position of the subscription, before the missed events")
    replayed: int = Field(ge=0)


class Unsubscribed(Output):
    """The reply to `unsubscribe`: no event of this subscription follows."""

    type: Literal["unsubscribed"]
    id: str


class PostRef(Output):
    """A post that is no longer visible."""

    id: int
    slug: str


class CommentedPost(PostRef):
    """The post of a comment; `comments` is its present number of comments."""

    comments: int


class CommentRef(Output):
    """A comment that is no longer visible."""

    id: int
    post_id: int


class PostData(Output):
    """The present state of the post. `html` is the fragment of the pages: the article on `post:{id}`, otherwise a card."""

    post: PostOut
    html: str


class PostRemovedData(Output):
    """The post that was unpublished or deleted."""

    post: PostRef


class CommentData(Output):
    """The present state of the comment; `html` is the fragment of the pages."""

    comment: CommentOut
    post: CommentedPost
    html: str


class CommentRemovedData(Output):
    """The comment that was removed."""

    comment: CommentRef
    post: CommentedPost


class EventMessageBase(Output):
    """Members of every event: the `cursor` to resume after it, and the subscriptions and channels that it belongs to."""

    type: Literal["event"]
    cursor: str = Field(description="The new cursor of these subscriptions, and of no other")
    ids: list[str] | None = Field(default=None, description="Subscriptions of the WebSocket; absent in other transports")
    channels: list[str] = Field(min_length=1)
    at: dt.datetime
    correlation_id: str


class PostChangedEvent(EventMessageBase):
    """A post was published or changed."""

    event: Literal["post.published", "post.updated"]
    data: PostData


class PostRemovedEvent(EventMessageBase):
    """A post was unpublished or deleted."""

    event: Literal["post.unpublished", "post.deleted"]
    data: PostRemovedData


class CommentChangedEvent(EventMessageBase):
    """A comment was created or changed."""

    event: Literal["comment.created", "comment.updated"]
    data: CommentData


class CommentRemovedEvent(EventMessageBase):
    """A comment was removed. If it is visible again at the time of a replay, the event contains its present state."""

    event: Literal["comment.removed"]
    data: CommentData | CommentRemovedData


class CommentHeldEvent(EventMessageBase):
    """A comment awaits moderation, or was changed while it waits. Sent only on the channel `moderation`."""

    event: Literal["comment.held"]
    data: CommentData


class GapMessage(Output):
    """The log does not reach back to the cursor of this subscription: fetch the content, and subscribe without a cursor."""

    type: Literal["gap"]
    id: str
    reason: Literal["epoch", "trimmed"]


class ErrorMessage(Output):
    """An error, with its HTTP status. The connection stays open."""

    type: Literal["error"]
    id: str | None = Field(default=None, description="The rejected subscription; absent if the error is about none")
    status: int
    title: str


class Bye(Output):
    """The server stops: reconnect after a random delay between the two values, in milliseconds."""

    type: Literal["bye"]
    reason: Literal["shutdown"]
    reconnect_ms: list[int] = Field(min_length=2, max_length=2)


EventMessage = Annotated[
    PostChangedEvent | PostRemovedEvent | CommentChangedEvent | CommentRemovedEvent | CommentHeldEvent,
    Field(discriminator="event"),
]
ServerMessage = Annotated[
    Welcome | Subscribed | Unsubscribed | EventMessage | GapMessage | ErrorMessage | Ping | Pong | Bye,
    Field(discriminator="type"),
]
server_message: TypeAdapter[
    Welcome
    | Subscribed
    | Unsubscribed
    | PostChangedEvent
    | PostRemovedEvent
    | CommentChangedEvent
    | CommentRemovedEvent
    | CommentHeldEvent
    | GapMessage
    | ErrorMessage
    | Ping
    | Pong
    | Bye
] = TypeAdapter(ServerMessage)
