"""Commands of the Centrifugo client protocol, version 2: JSON objects, one per line."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr

from blog.schemas.live import Channel

Unused = dict[str, Any]
REJECT_UNRECOVERED = 2
"""Flag of a subscription: answer with an error if the missed events cannot be recovered."""


class CentrifugoModel(BaseModel):
    """Base of commands. Unknown members are ignored, unlike in other schemas: SDKs send options that a server may ignore."""


class Connect(CentrifugoModel):
    """The first command, with a token unless a cookie or a header field authenticates the client."""

    token: SecretStr | None = Field(default=None, max_length=1000)


class Subscribe(CentrifugoModel):
    """Follow a channel; with `recover` after a position: the epoch of the log and an event id.

    `type` (maps, polls) and `tf` (server-side filters) are not supported.
    """

    channel: Channel
    recover: bool = False
    epoch: Annotated[str, Field(max_length=64)] = ""
    offset: Annotated[int, Field(ge=0)] = 0
    flag: int = 0
    type: int = 0
    tf: Unused | None = None


class Unsubscribe(CentrifugoModel):
    """End a subscription."""

    channel: Channel


class Command(CentrifugoModel):
    """A request, with an id for its reply. An empty command is the reply to a ping.

    Commands without a model are not supported: the reply is an error.
    """

    id: Annotated[int, Field(ge=0, le=4_294_967_295)] = 0
    connect: Connect | None = None
    subscribe: Subscribe | None = None
    unsubscribe: Unsubscribe | None = None
    ping: Unused | None = None
    publish: Unused | None = None
    presence: Unused | None = None
    presence_stats: Unused | None = None
    history: Unused | None = None
    rpc: Unused | None = None
    refresh: Unused | None = None
    sub_refresh: Unused | None = None
    send: Unused | None = None
