"""The messages of the WebSocket protocol `blog.live.v1`: one JSON object a text frame."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, TypeAdapter

from blog.schemas.fields import Input, Line

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
    """Are you there?"""

    type: Literal["ping"]


class Pong(Input):
    """The answer to the server's own ping."""

    type: Literal["pong"]


ClientMessage = Annotated[Hello | Subscribe | Unsubscribe | Ping | Pong, Field(discriminator="type")]
client_message: TypeAdapter[Hello | Subscribe | Unsubscribe | Ping | Pong] = TypeAdapter(ClientMessage)
