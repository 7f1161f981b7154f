"""What the server says, as the text of a frame. An event's content is encoded once, however many follow it."""

import json
from dataclasses import dataclass
from typing import Any

from blog.domain.events import Event
from blog.http.templates import instant
from blog.schemas.live import SUBPROTOCOL

HEARTBEAT = 25


def frame(kind: str, **members: Any) -> str:
    """Any message but an event."""
    return json.dumps({"type": kind, **members}, ensure_ascii=False, separators=(",", ":"))


def welcome(cursor: str, user: str | None) -> str:
    """The first message: where the log ends now, and as whom the client is known."""
    return frame("welcome", protocol=SUBPROTOCOL, cursor=cursor, heartbeat=HEARTBEAT, user=user)


def error(status: int, title: str, subscription: str | None = None) -> str:
    """A refusal; the connection goes on."""
    members = {"id": subscription} if subscription is not None else {}
    return frame("error", **members, status=status, title=title)


@dataclass(frozen=True, slots=True)
class Bulletin:
    """An event ready for sending: everybody may see it (`public`), and its `data` is JSON already.

    `detail` replaces `data` for those who follow the post itself: it holds the whole article, not the card of lists.
    """

    event: Event
    cursor: str
    data: str
    detail: str

    def text(self, channels: list[str]) -> str:
        """The frame for a client that follows these channels of the event."""
        head = frame(
            "event",
            event=self.event.name.value,
            cursor=self.cursor,
            channels=channels,
            at=instant(self.event.at),
            correlation_id=self.event.correlation_id,
        )
        follows_post = any(channel.startswith("post:") for channel in channels)
        return f'{head[:-1]},"data":{self.detail if follows_post else self.data}}}'
