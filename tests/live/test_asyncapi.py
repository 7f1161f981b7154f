"""The AsyncAPI document: whole, and true to the frames that are sent."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import httpx2
import pytest
from httpx2.websockets import ASGIWebSocketTransport
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from blog.app import Application
from blog.domain.core.events import EventType
from blog.live.asyncapi import document
from blog.schemas import live
from blog.schemas.accounts import Role
from tests.conftest import ORIGIN
from tests.live.test_endpoints import closed, following, hear, say, subscribed, write


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return document("Blog: live updates", "https://blog.example.org", "/live")


def test_document_is_whole(told: dict[str, Any]) -> None:
    assert told["asyncapi"] == "3.0.0"
    assert told["servers"]["live"] == {"host": "blog.example.org", "protocol": "wss"}
    text = json.dumps(told)
    for reference in re.findall(r'"#/([^"]+)"', text):
        place: Any = told
        for part in reference.split("/"):
            place = place[part]
    for name in told["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    sent = {message["$ref"] for operation in told["operations"].values() for message in operation["messages"]}
    assert sent == {f"#/channels/live/messages/{name}" for name in told["components"]["messages"]}
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


TOLD = {name.value for name in EventType} - {EventType.SITE_CHANGED.value}


def test_every_message_and_every_event_has_its_model(told: dict[str, Any]) -> None:
    names = set(told["components"]["messages"])
    clients = {model.__name__ for model in get_args(get_args(live.ClientMessage)[0])}
    assert {model.__name__ for model in models(live.ServerMessage)} | clients == names
    events = [get_args(model.model_fields["event"].annotation) for model in models(live.EventMessage)]
    assert sorted(name for group in events for name in group) == sorted(TOLD)


def models(union: Any) -> list[type[BaseModel]]:
    """The models of a union, also of one within it."""
    found: list[type[BaseModel]] = []
    for part in get_args(get_args(union)[0]):
        found += [part] if isinstance(part, type) else models(part)
    return found


async def test_frames_are_what_the_models_say(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]]
) -> None:
    ada, rob = await bearer("ada", Role.EDITOR), await bearer("rob", Role.READER)
    frames: list[dict[str, Any]] = []
    async with following(client) as socket:
        frames.append(socket.welcome)
        await say(socket, type="ping")
        frames.append(await hear(socket))
        await say(socket, type="hello", token=ada["Authorization"].removeprefix("Bearer "))
        frames.append(await hear(socket))
        frames.append(await subscribed(socket, "nonsense", id="z"))
        frames.append(await subscribed(socket, "posts", after="other.1", id="y"))
        frames.append(await subscribed(socket, "posts"))
        post = await write(client, ada)
        frames.append(await hear(socket))
        path = f"/api/v1/posts/{post['id']}"
        frames.append(await subscribed(socket, f"post:{post['id']}", id="b"))
        made = (await client.post(f"{path}/comments", json={"content": "Good."}, headers=ada)).json()
        frames.append(await hear(socket))
        comment = f"/api/v1/comments/{made['id']}"
        for method, address, body in (
            ("PATCH", comment, {"content": "Better."}),
            ("PATCH", path, {"title": "New"}),
            ("DELETE", comment, None),
            ("PATCH", path, {"status": "draft"}),
            ("PATCH", path, {"status": "published"}),
            ("DELETE", path, None),
        ):
            await client.request(method, address, json=body, headers=ada)
            frames.append(await hear(socket))
        post = await write(client, ada)
        frames.append(await hear(socket))
        frames.append(await subscribed(socket, "moderation", id="c"))
        held = {"content": " ".join(f"<https://{number}.example>" for number in range(4))}
        await client.post(f"/api/v1/posts/{post['id']}/comments", json=held, headers=rob)
        frames.append(await hear(socket))
    for frame in frames:
        model = live.server_message.validate_python(frame)
        assert set(frame) == model.model_fields_set, "nothing is sent that the model does not know"
        assert_known(frame.get("data"), getattr(model, "data", None))
    assert [frame["type"] for frame in frames[:6]] == ["welcome", "pong", "welcome", "error", "gap", "subscribed"]
    assert {frame["event"] for frame in frames if frame["type"] == "event"} == TOLD


def assert_known(sent: Any, model: BaseModel | None) -> None:
    """Nothing in the data of an event is without a place in its model, at any depth."""
    for name, value in (sent or {}).items():
        assert model is not None
        assert name in type(model).model_fields, name
        if isinstance(value, dict):
            assert_known(value, getattr(model, name))


async def test_goodbye_is_what_its_model_says(app: Application) -> None:
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        async with (
            httpx2.AsyncClient(transport=ASGIWebSocketTransport(with_state), base_url=ORIGIN) as client,
            following(client) as socket,
        ):
            await state["hub"].close()
            frame = await hear(socket)
            assert set(frame) == live.server_message.validate_python(frame).model_fields_set
            assert frame["type"] == "bye"
            assert await closed(socket) == 1012
