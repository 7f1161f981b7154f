"""The messages of the WebSocket protocol `blog.live.v1`: one JSON object a text frame."""

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
    """Who is calling, when neither a cookie nor a header could say so."""

    type: Literal["hello"]
    token: SecretStr = Field(max_length=1000)


class Subscribe(Input):
    """Follow a channel: after a cursor, from the `earliest` event that is kept, or from now on."""

    type: Literal["subscribe"]
    id: SubscriptionId
    channel: Channel
    after: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class Unsubscribe(Input):
    """End a subscription."""

    type: Literal["unsubscribe"]
    id: SubscriptionId


class Ping(Input):
    """Are you there? Either side may ask."""

    type: Literal["ping"]


class Pong(Input):
    """The answer to a ping."""

    type: Literal["pong"]


ClientMessage = Annotated[Hello | Subscribe | Unsubscribe | Ping | Pong, Field(discriminator="type")]
client_message: TypeAdapter[Hello | Subscribe | Unsubscribe | Ping | Pong] = TypeAdapter(ClientMessage)


class Welcome(Output):
    """The first message, and the answer to `hello`: where the log ends now, and as whom the client is known."""

    type: Literal["welcome"]
    protocol: Literal["blog.live.v1"]
    cursor: str
    heartbeat: int = Field(description="Seconds from one ping of the server to the next")
    user: str | None


class Subscribed(Output):
    """The subscription stands; the `replayed` events that were missed follow at once."""

    type: Literal["subscribed"]
    id: str
    channel: str
    cursor: str
    replayed: int = Field(ge=0)


class PostRef(Output):
    """Which post, when no more may be told of it."""

    id: int
    slug: str


class CommentedPost(PostRef):
    """The post that a comment belongs to; `comments` is their number now."""

    comments: int


class CommentRef(Output):
    """Which comment, when no more may be told of it."""

    id: int
    post_id: int


class PostData(Output):
    """The post as it is now; `html` is the fragment that pages show: the article on `post:{id}`, else a card."""

    post: PostOut
    html: str


class PostRemovedData(Output):
    """The post that went from sight."""

    post: PostRef


class CommentData(Output):
    """The comment as it is now; `html` is the fragment that pages show."""

    comment: CommentOut
    post: CommentedPost
    html: str


class CommentRemovedData(Output):
    """The comment that went from sight."""

    comment: CommentRef
    post: CommentedPost


class EventMessageBase(Output):
    """What every event carries: `cursor` to resume after it, and the channels of it that this client follows."""

    type: Literal["event"]
    cursor: str
    channels: list[str] = Field(min_length=1)
    at: dt.datetime
    correlation_id: str


class PostChangedEvent(EventMessageBase):
    """A post came out or changed."""

    event: Literal["post.published", "post.updated"]
    data: PostData


class PostRemovedEvent(EventMessageBase):
    """A post went from sight."""

    event: Literal["post.unpublished", "post.deleted"]
    data: PostRemovedData


class CommentChangedEvent(EventMessageBase):
    """Somebody commented, or a comment changed."""

    event: Literal["comment.created", "comment.updated"]
    data: CommentData


class CommentRemovedEvent(EventMessageBase):
    """A comment went from sight; when it is back by the time of a replay, with its present content."""

    event: Literal["comment.removed"]
    data: CommentData | CommentRemovedData


class CommentHeldEvent(EventMessageBase):
    """A comment waits for a moderator, or one that waits was changed; on the channel `moderation` alone."""

    event: Literal["comment.held"]
    data: CommentData


class GapMessage(Output):
    """The log does not reach back to this cursor: fetch the content anew, and subscribe without it."""

    type: Literal["gap"]
    id: str
    reason: Literal["epoch", "trimmed"]


class ErrorMessage(Output):
    """A refusal, with its HTTP status; the connection goes on."""

    type: Literal["error"]
    id: str | None = Field(default=None, description="The subscription that is refused; absent when none is to blame")
    status: int
    title: str


class Bye(Output):
    """The server stops: reconnect after a random time between the two, in milliseconds."""

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
