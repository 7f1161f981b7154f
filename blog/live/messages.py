"""What the server says besides events, as the text of a frame."""

import json
from typing import Any

from blog.realtime.subscription import HEARTBEAT_SECONDS
from blog.schemas.live import SUBPROTOCOL


def encode_message(kind: str, **members: Any) -> str:
    """Any message of the protocol."""
    return json.dumps({"type": kind, **members}, ensure_ascii=False, separators=(",", ":"))


def welcome(cursor: str, user: str | None) -> str:
    """The first message: where the log ends now, and as whom the client is known."""
    return encode_message("welcome", protocol=SUBPROTOCOL, cursor=cursor, heartbeat=HEARTBEAT_SECONDS, user=user)


def error(status: int, title: str, subscription: str | None = None) -> str:
    """A refusal; the connection goes on."""
    members = {"id": subscription} if subscription is not None else {}
    return encode_message("error", **members, status=status, title=title)


def bye() -> str:
    """The last message before the server stops: come back after a random time between the two, in milliseconds."""
    return encode_message("bye", reason="shutdown", reconnect_ms=[500, 5000])
