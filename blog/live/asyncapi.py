"""The AsyncAPI 3.0 document of `/live`, generated from the message models."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json

from blog import __version__
from blog.realtime.replay import EVENTS_PER_UNIT, ROWS_PER_UNIT
from blog.schemas import live

_REF_TEMPLATE = "#/components/schemas/{model}"
_FROM_CLIENTS: tuple[type[BaseModel], ...] = (live.Hello, live.Subscribe, live.Unsubscribe, live.Ping, live.Pong)
_TO_CLIENTS: tuple[type[BaseModel], ...] = (
    live.Welcome,
    live.Subscribed,
    live.Unsubscribed,
    live.PostChangedEvent,
    live.PostRemovedEvent,
    live.CommentChangedEvent,
    live.CommentRemovedEvent,
    live.CommentHeldEvent,
    live.GapMessage,
    live.ErrorMessage,
    live.Ping,
    live.Pong,
    live.Bye,
)
_DESCRIPTION = f"""One JSON object per text frame, subprotocol `{live.SUBPROTOCOL}`. A subscription follows one or more channels.
It receives every event that the client may see exactly once, in log order: the same order for all clients. An event names the
subscriptions (`ids`) and the channels that it belongs to. After a reconnect, subscribe with the last `cursor` that this
subscription received: no event is lost or repeated. Cursors are opaque, and one of another subscription may skip events.

A connection follows at most {live.MAX_CHANNELS} channels. Each started {EVENTS_PER_UNIT} events of a replay, and each
{ROWS_PER_UNIT} rows of the log that it searches, count as one request for the rate limit.

Channels: `posts`, `comments`, `post:{{id}}`, `tag:{{name}}`, `author:{{username}}`; for signed-in clients `me` (their posts and
comments, and replies to them); for editors `moderation` (comments awaiting moderation).

Authentication: the session cookie, the header field `Authorization: Bearer TOKEN`, or the message `hello` within five
seconds. Without credentials a client can follow public channels. `hello` ends the subscriptions with a private channel (`me`,
`moderation`): subscribe again after `welcome`.

Close codes: 4400 invalid message, 4401 credentials invalid or no longer valid, 4403 role changed, 4408 `hello` too late, 4429
too many connections, channels, messages or replayed events, 4503 too slow (reconnect with the last cursor), 1008 too many
pings, 1009 message over 64 KiB, 1011 internal error, 1012 server restart, 1013 temporarily unavailable. A client that has stopped
reading receives 4503 if it reads again within five seconds. Otherwise the connection is cut, which libraries report as 1006.

The Centrifugo SDKs follow the same channels at `/connection/websocket`, in their own client protocol (JSON). Each
publication contains an event as below; its position is the cursor in two parts, `EPOCH.OFFSET`."""


@cache
def render_json(title: str, public_url: str, path: str) -> bytes:
    """Return the document as JSON; cached for each site."""
    return to_json(document(title, public_url, path))


def document(title: str, public_url: str, path: str) -> dict[str, Any]:
    """Return the document. Operations are named from the server's side, as AsyncAPI requires.

    - `title`: the title of the document.
    - `public_url`: the public URL of the site.
    - `path`: the path of the WebSocket.
    """
    models = list(dict.fromkeys((*_FROM_CLIENTS, *_TO_CLIENTS)))  # ping and pong go both ways
    references, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF_TEMPLATE)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": __version__, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"live": _server(public_url)},
        "channels": {
            "live": {
                "address": path,
                "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in models},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "receiveMessage": _operation("receive", "Messages from clients", _FROM_CLIENTS),
            "sendMessage": _operation("send", "Messages to clients", _TO_CLIENTS),
        },
        "components": {
            "messages": {model.__name__: _message(model, references[model, "validation"]) for model in models},
            "schemas": schemas["$defs"],
        },
    }


def _server(public_url: str) -> dict[str, Any]:
    parts = urlsplit(public_url)
    return {"host": parts.netloc, "protocol": "wss" if parts.scheme == "https" else "ws"}


def _operation(action: str, summary: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/live/messages/{model.__name__}"} for model in models],
    }


def _message(model: type[BaseModel], payload: dict[str, Any]) -> dict[str, Any]:
    return {"name": model.__name__, "summary": model.__doc__, "contentType": "application/json", "payload": payload}
