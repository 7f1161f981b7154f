"""What clients of Centrifugo say: commands of its client protocol, version 2, as JSON objects with a line for each."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr

from blog.schemas.live import Channel

Unused = dict[str, Any]
REJECT_UNRECOVERED = 2
"""The flag of a subscription that would rather be refused than begin without what it missed."""


class CentrifugoModel(BaseModel):
    """Part of a command. Unlike elsewhere unknown members are passed over: SDKs offer what a server may ignore."""


class Connect(CentrifugoModel):
    """The first command: who is calling, unless a cookie or a header said so."""

    token: SecretStr | None = Field(default=None, max_length=1000)


class Subscribe(CentrifugoModel):
    """Follow a channel; with `recover` from a position on, which is the epoch of the log and the id of an event in it.

    `type` (maps, polls) and `tf` (a filter that the server applies) are kinds of subscription that we do not have.
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
    """One request, with a number for its answer; an empty command answers a ping.

    Of those without a model only the name counts: their answer is that there is no such thing here.
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
