"""Report unexpected errors to Sentry, with the optional extra `sentry`: type of the error, traceback, correlation id.

Messages, variables, addresses, headers and users are not sent: an error message may contain user input. The log has the
message, under the same correlation id.
"""

import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from blog import __version__
from blog.observability import logging as observability_logging
from blog.settings import Settings

if TYPE_CHECKING:
    from sentry_sdk import Client
    from sentry_sdk.types import Event, Hint

_CLOSE_TIMEOUT = 2.0
_CLIENT_OPTIONS: dict[str, Any] = {
    "default_integrations": False,
    "auto_enabling_integrations": False,
    "include_local_variables": False,
    "max_request_body_size": "never",
    "max_breadcrumbs": 0,
    "auto_session_tracking": False,
    "send_client_reports": False,
    "server_name": "blog",
}


@contextlib.asynccontextmanager
async def report_errors(settings: Settings) -> AsyncIterator[None]:
    """Report each error that is logged with a traceback inside the block. Does nothing without SENTRY_DSN."""
    if settings.sentry_dsn is None:
        yield
        return
    from sentry_sdk import Client

    client = Client(
        settings.sentry_dsn.get_secret_value(),
        environment=settings.environment.value,
        release=f"blog@{__version__}",
        before_send=_strip_messages,
        **_CLIENT_OPTIONS,
    )
    handler = SentryHandler(client)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        await anyio.to_thread.run_sync(client.close, _CLOSE_TIMEOUT)


class SentryHandler(logging.Handler):
    """Report log records that have a traceback: errors of requests, which the server logs, and of background tasks."""

    def __init__(self, client: "Client") -> None:
        super().__init__(logging.ERROR)
        self._client = client

    def emit(self, record: logging.LogRecord) -> None:
        """Report the error of a log record, if it has one."""
        from sentry_sdk.utils import event_from_exception

        error = record.exc_info or (sys.exc_info() if isinstance(record.msg, dict) and record.msg.get("exc_info") else None)
        if not error or error[1] is None:
            return
        event, hint = event_from_exception(error, self._client.options, {"type": "logging", "handled": True})
        event["logger"] = record.name
        event["tags"] = {"correlation_id": observability_logging.correlation_id.get() or ""}
        self._client.capture_event(event, hint)


def _strip_messages(event: "Event", _hint: "Hint") -> "Event":
    """Remove the error messages from an event."""
    for error in event.get("exception", {}).get("values", []):
        error["value"] = ""
    return event
