"""Error reports contain the type and place of an error, and no user input."""

import json
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import structlog
from pydantic import SecretStr
from sentry_sdk.transport import Transport

from blog.app import create_app
from blog.domain.posts import posts
from blog.observability import logging as observability_logging
from blog.observability import sentry
from blog.settings import Settings
from tests.conftest import Bearer, running

DSN = "https://key@sentry.example.org/1"


class Kept(Transport):
    """A transport that stores the events instead of sending them."""

    sent: list[bytes] = []  # noqa: RUF012 (emptied by each test)

    def capture_envelope(self, envelope: Any) -> None:
        self.sent.append(envelope.serialize())


@pytest.fixture
async def reporting_client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    monkeypatch.setitem(sentry._CLIENT_OPTIONS, "transport", Kept)
    Kept.sent.clear()
    async with running(create_app(settings.model_copy(update={"sentry_dsn": SecretStr(DSN)}))) as client:
        yield client


async def test_crash_is_reported_without_user_input(
    reporting_client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, bearer: Bearer
) -> None:
    typed = secrets.token_hex(8)  # not a word of this file: lines of the source are sent

    async def crash(_ctx: object, new: Any) -> None:
        password = new.content
        raise ValueError(f"cannot keep {password}")

    monkeypatch.setattr(posts, "create", crash)
    headers = await bearer("ada") | {"X-Correlation-ID": "the-request", "User-Agent": f"browser-{typed}"}
    with pytest.raises(ValueError, match=typed) as crashed:
        await reporting_client.post(f"/api/v1/posts?note={typed}", json={"title": "Diary", "content": typed}, headers=headers)
    observability_logging.correlation_id.set("the-request")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=crashed.value)  # as the server does
    (sent,) = Kept.sent
    event = json.loads(sent.splitlines()[2])
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "")
    assert error["stacktrace"]["frames"][-1]["function"] == "crash"
    assert (event["tags"]["correlation_id"], event["release"]) == ("the-request", "blog@0.1.0")
    for word in (typed, headers["Authorization"], "127.0.0.1", "breadcrumbs"):
        assert word not in sent.decode(), word
    assert not event.keys() & {"request", "user", "extra", "modules"}
    assert all("vars" not in frame for frame in error["stacktrace"]["frames"])


async def test_errors_outside_of_requests_are_reported_and_log_lines_are_not(reporting_client: httpx2.AsyncClient) -> None:
    log, name = structlog.stdlib.get_logger("blog"), secrets.token_hex(8)
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    try:
        log.error("email could not be sent", reason=f"{name} was refused")
        try:
            raise KeyError(name)
        except KeyError:
            log.exception("unexpected error in a background task", task=f"emails of {name}")
    finally:
        structlog.reset_defaults()
    (sent,) = Kept.sent
    event = json.loads(sent.splitlines()[2])
    assert (event["exception"]["values"][0]["type"], event["logger"]) == ("KeyError", "blog")
    assert name not in sent.decode()


async def test_without_a_dsn_nothing_is_reported(client: httpx2.AsyncClient) -> None:
    assert not [handler for handler in logging.getLogger().handlers if isinstance(handler, sentry.SentryHandler)]
