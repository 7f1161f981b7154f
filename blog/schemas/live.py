"""The messages of the WebSocket protocol `blog.live.v1`: one JSON object per text frame."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, SecretStr, TypeAdapter

from blog.schemas.comments import CommentOut
from blog.schemas.fields import Input, Line, Output
from blog.schemas.posts import PostOut

SUBPROTOCOL = "blog.live.v1"
SubscriptionId = Annotated[Line, Field(min_length=1, max_length=64)]
Channel = Annotated[Line, Field(min_length=1, max_length=100)]


class Hello(Input):
    """Authenticate with a token, for clients that cannot send a cookie or a header field."""

    type: Literal["hello"]
    token: SecretStr = Field(max_length=1000)


class Subscribe(Input):
    """Follow a channel: after a cursor, from the `earliest` event in the log, or from now on."""

    type: Literal["subscribe"]
    id: SubscriptionId
    channel: Channel
    after: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class Unsubscribe(Input):
    """End a subscription."""

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
    channel: str
    cursor: str
    replayed: int = Field(ge=0)


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
    """Members of every event: the `cursor` to resume after it, and the subscribed channels that it belongs to."""

    type: Literal["event"]
    cursor: str
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
    """The log does not reach back to this cursor: fetch the content again, and subscribe without a cursor."""

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
    Welcome | Subscribed | EventMessage | GapMessage | ErrorMessage | Ping | Pong | Bye, Field(discriminator="type")
]
server_message: TypeAdapter[
    Welcome
    | Subscribed
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
