"""The AsyncAPI document is complete, and the sent frames match it."""

import json
import re
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
from tests.conftest import ORIGIN, Bearer
from tests.live.test_endpoints import closed, following, receive, send, subscribed, write


@pytest.fixture(scope="module")
def asyncapi() -> dict[str, Any]:
    return document("Blog: live updates", "https://blog.example.org", "/live")


def test_document_is_complete(asyncapi: dict[str, Any]) -> None:
    assert asyncapi["asyncapi"] == "3.0.0"
    assert asyncapi["servers"]["live"] == {"host": "blog.example.org", "protocol": "wss"}
    text = json.dumps(asyncapi)
    for reference in re.findall(r'"#/([^"]+)"', text):
        place: Any = asyncapi
        for part in reference.split("/"):
            place = place[part]
    for name in asyncapi["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    sent = {message["$ref"] for operation in asyncapi["operations"].values() for message in operation["messages"]}
    assert sent == {f"#/channels/live/messages/{name}" for name in asyncapi["components"]["messages"]}
    for schema in asyncapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


PUBLIC_EVENTS = {name.value for name in EventType} - {EventType.SITE_CHANGED.value}


def test_every_message_and_every_event_has_its_model(asyncapi: dict[str, Any]) -> None:
    names = set(asyncapi["components"]["messages"])
    clients = {model.__name__ for model in get_args(get_args(live.ClientMessage)[0])}
    assert {model.__name__ for model in models(live.ServerMessage)} | clients == names
    events = [get_args(model.model_fields["event"].annotation) for model in models(live.EventMessage)]
    assert sorted(name for group in events for name in group) == sorted(PUBLIC_EVENTS)


def models(union: Any) -> list[type[BaseModel]]:
    """Return the models of a union, including nested unions."""
    found: list[type[BaseModel]] = []
    for part in get_args(get_args(union)[0]):
        found += [part] if isinstance(part, type) else models(part)
    return found


async def test_frames_match_the_models(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, rob = await bearer("ada", Role.EDITOR), await bearer("rob", Role.READER)
    frames: list[dict[str, Any]] = []
    async with following(client) as socket:
        frames.append(socket.welcome)
        await send(socket, type="ping")
        frames.append(await receive(socket))
        await send(socket, type="hello", token=ada["Authorization"].removeprefix("Bearer "))
        frames.append(await receive(socket))
        frames.append(await subscribed(socket, "nonsense", id="z"))
        frames.append(await subscribed(socket, "posts", after="other.1", id="y"))
        frames.append(await subscribed(socket, "posts"))
        post = await write(client, ada)
        frames.append(await receive(socket))
        path = f"/api/v1/posts/{post['id']}"
        frames.append(await subscribed(socket, f"post:{post['id']}", id="b"))
        made = (await client.post(f"{path}/comments", json={"content": "Good."}, headers=ada)).json()
        frames.append(await receive(socket))
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
            frames.append(await receive(socket))
        post = await write(client, ada)
        frames.append(await receive(socket))
        frames.append(await subscribed(socket, "moderation", id="c"))
        held = {"content": " ".join(f"<https://{number}.example>" for number in range(4))}
        await client.post(f"/api/v1/posts/{post['id']}/comments", json=held, headers=rob)
        frames.append(await receive(socket))
    for frame in frames:
        model = live.server_message.validate_python(frame)
        assert set(frame) == model.model_fields_set, "nothing is sent that the model does not know"
        assert_known(frame.get("data"), getattr(model, "data", None))
    assert [frame["type"] for frame in frames[:6]] == ["welcome", "pong", "welcome", "error", "gap", "subscribed"]
    assert {frame["event"] for frame in frames if frame["type"] == "event"} == PUBLIC_EVENTS


def assert_known(sent: Any, model: BaseModel | None) -> None:
    """Check that every member of the data of an event is declared in its model, at any depth."""
    for name, value in (sent or {}).items():
        assert model is not None
        assert name in type(model).model_fields, name
        if isinstance(value, dict):
            assert_known(value, getattr(model, name))


async def test_bye_matches_its_model(app: Application) -> None:
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        async with (
            httpx2.AsyncClient(transport=ASGIWebSocketTransport(with_state), base_url=ORIGIN) as client,
            following(client) as socket,
        ):
            await state["hub"].close()
            frame = await receive(socket)
            assert set(frame) == live.server_message.validate_python(frame).model_fields_set
            assert frame["type"] == "bye"
            assert await closed(socket) == 1012
