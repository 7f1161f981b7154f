"""Server messages of `blog.live.v1` other than events, as JSON text."""

import json
from typing import Any

from blog.domain.core.events import client_channel
from blog.realtime.backlog import Backlog
from blog.realtime.subscription import HEARTBEAT_SECONDS
from blog.schemas.live import SUBPROTOCOL


def encode_message(kind: str, **members: Any) -> str:
    """Return a message of the protocol as JSON. `kind` is its `type`."""
    return json.dumps({"type": kind, **members}, ensure_ascii=False, separators=(",", ":"))


def welcome(cursor: str, user: str | None) -> str:
    """Return the first message: the end of the log, and the username of the client."""
    return encode_message("welcome", protocol=SUBPROTOCOL, cursor=cursor, heartbeat=HEARTBEAT_SECONDS, user=user)


def subscribed(subscription: str, backlog: Backlog) -> str:
    """Return the confirmation of a subscription, with the cursor before its missed events: a client may store it at once."""
    channels = [client_channel(channel) for channel in backlog.channels]
    return encode_message("subscribed", id=subscription, channels=channels, cursor=backlog.start.cursor, replayed=backlog.count)


def error(status: int, title: str, subscription: str | None = None) -> str:
    """Return an error message with an HTTP status; the connection stays open."""
    members = {"id": subscription} if subscription is not None else {}
    return encode_message("error", **members, status=status, title=title)


def bye() -> str:
    """Return the last message before a shutdown: reconnect after a random delay in the given range, in milliseconds."""
    return encode_message("bye", reason="shutdown", reconnect_ms=[500, 5000])
