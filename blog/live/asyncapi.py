"""The AsyncAPI 3.0 document of `/live`, made from the models of its messages."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json

from blog import __version__
from blog.schemas import live

_REF_TEMPLATE = "#/components/schemas/{model}"
_FROM_CLIENTS: tuple[type[BaseModel], ...] = (live.Hello, live.Subscribe, live.Unsubscribe, live.Ping, live.Pong)
_TO_CLIENTS: tuple[type[BaseModel], ...] = (
    live.Welcome,
    live.Subscribed,
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
_DESCRIPTION = f"""One JSON object a text frame, subprotocol `{live.SUBPROTOCOL}`. Each client gets each event that
it may see once, in one order that is the same for all; with the `cursor` of the last event it resumes after a reconnect, and
nothing is lost or doubled. Cursors are opaque.

Channels: `posts`, `comments`, `post:{{id}}`, `tag:{{name}}`, `author:{{username}}`; for whoever is signed in `me`, of their own
posts and comments and of what others say to them; for editors `moderation`, of comments that wait.

Who follows: the session cookie, the header field `Authorization: Bearer TOKEN`, or the message `hello` within five
seconds; without any of them a stranger, who hears of what is public.

Close codes: 4400 no message of the protocol, 4401 wrong credentials, 4408 `hello` came too late, 4429 too many
subscriptions, 4503 too slow (reconnect with the last cursor), 1009 a message over 64 KiB, 1012 the server restarts.

The SDKs of Centrifugo follow the same channels at `/connection/websocket`, in their own client protocol (JSON); each
publication holds an event as below, and its position is the cursor in two parts, `EPOCH.OFFSET`."""


@cache
def render_json(title: str, public_url: str, path: str) -> bytes:
    """The document as JSON; made once for each site."""
    return to_json(document(title, public_url, path))


def document(title: str, public_url: str, path: str) -> dict[str, Any]:
    """The document. `path` is that of the socket; operations are told from the server's side, as AsyncAPI has it."""
    models = list(dict.fromkeys((*_FROM_CLIENTS, *_TO_CLIENTS)))  # a ping and its answer go both ways
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
            "hear": _operation("receive", "What clients may say", _FROM_CLIENTS),
            "tell": _operation("send", "What the server says", _TO_CLIENTS),
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
