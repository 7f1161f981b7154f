"""Logging: one stream of lines for our own code, uvicorn and libraries, as JSON or as readable text."""

import asyncio
import functools
import logging.config
import sys
import threading
import time
from contextvars import ContextVar
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TextIO

import structlog

from blog.settings import Settings

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The correlation id of the current request; part of each of its log lines."""
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace id of the current request, if it is traced; part of each of its log lines."""

_access_log, _live_log = structlog.stdlib.get_logger("blog.access"), structlog.stdlib.get_logger("blog.live")

# Without local variables: a form or a header among them could write a password to the log.
_TRACEBACK_RENDERER = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(settings: Settings) -> None:
    """Write all log records to standard error, with level, time and correlation id."""
    logging.config.dictConfig(_logging_config(use_json=settings.use_json_logs))
    global _buffered_handler
    _buffered_handler = (
        next(handler for handler in logging.root.handlers if isinstance(handler, BufferedJsonHandler))
        if settings.use_json_logs
        else None
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        add_correlation_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _logging_config(*, use_json: bool) -> dict[str, Any]:
    """Return the configuration of the standard library's `logging`."""
    renderers: list[structlog.typing.Processor] = (
        [_TRACEBACK_RENDERER, structlog.processors.JSONRenderer()]
        if use_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _shared_processors(),
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    }
    handler = {
        "class": "blog.observability.logging.BufferedJsonHandler",
        "formatter": "line",
        "stream": "ext://sys.stderr",
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": handler},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": False},  # `log_request` replaces it
            "databases": {"level": "WARNING"},
            "alembic": {"level": "WARNING"},
        },
    }


def log_request(
    method: str, route: str, status: int, seconds: float, user: str | None, correlation_id: str | None = None
) -> None:
    """Write the access log line of a request: its route template, status, duration in seconds and username.

    correlation_id: None for that of the current task.
    """
    if _buffered_handler is not None:
        _buffered_handler.add_request(method, route, status, seconds, user, correlation_id)
        return
    ids = {} if correlation_id is None else {"correlation_id": correlation_id}
    _access_log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1), user=user, **ids)


def log_websocket_close(code: int, user: str | None) -> None:
    """Write the log line of a closed WebSocket. Buffered, because thousands may close at once."""
    if _buffered_handler is not None:
        _buffered_handler.add_line(
            f'{{"code": {code}, "user": {quoted(user) if user else "null"}, "event": "WebSocket closed", ', "blog.live"
        )
    else:
        _live_log.info("WebSocket closed", code=code, user=user)


def add_correlation_ids(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the ids of the current request and trace to a log event. A structlog processor."""
    for variable in (correlation_id, trace_id):
        if (value := variable.get()) is not None:
            event[variable.name] = value
    return event


def _current_correlation_id() -> str:
    return correlation_id.get() or ""


class BufferedJsonHandler(logging.StreamHandler[TextIO]):
    """Write request lines in batches and all other lines at once, in the order in which they were logged.

    Request lines are formatted by hand: through `logging` a line costs more than a cached response, and its write as much
    again. `logging` flushes its handlers when the process stops; only a killed process loses the last 0.25 seconds.
    """

    _FLUSH_INTERVAL = 0.25

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines_lock = threading.RLock()  # the garbage collector may log in the middle of a line
        self._lines: list[str] = []
        self._cached_second, self._cached_timestamp = 0, ""

    def add_request(
        self, method: str, route: str, status: int, seconds: float, user: str | None, correlation_id: str | None
    ) -> None:
        """Buffer the line of a request."""
        values = f'{seconds * 1000:.1f}, "user": {quoted(user) if user else "null"}, "event": "request", '
        self.add_line(_request_prefix(method, route, status) + values, "blog.access", correlation_id)

    def add_line(self, prefix: str, logger: str, correlation_id: str | None = None) -> None:
        """Buffer a line: the open JSON object `prefix`, completed with the members that all lines have."""
        traced = f'"trace_id": "{value}", ' if (value := trace_id.get()) else ""
        line = (
            f'{prefix}"correlation_id": {quoted(correlation_id or _current_correlation_id())}, {traced}'
            f'"level": "info", "logger": "{logger}", "timestamp": "{self._timestamp()}"}}\n'
        )
        with self._lines_lock:
            self._lines.append(line)
            if len(self._lines) == 1:
                asyncio.get_running_loop().call_later(self._FLUSH_INTERVAL, self.flush)

    def _timestamp(self) -> str:
        now = time.time()
        if int(now) != self._cached_second:
            self._cached_second, self._cached_timestamp = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{self._cached_timestamp}.{int(now % 1 * 1_000_000):06d}Z"

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record at once, after the buffered lines."""
        self._write_buffered()
        super().emit(record)

    def flush(self) -> None:
        """Write the buffered lines."""
        self._write_buffered()
        super().flush()

    def _write_buffered(self) -> None:
        with self._lines_lock:
            if self._lines:
                lines, self._lines = self._lines, []
                self.stream.write("".join(lines))


@functools.lru_cache(maxsize=1_000)
def _request_prefix(method: str, route: str, status: int) -> str:
    return f'{{"method": {quoted(method)}, "route": {quoted(route)}, "status": {status}, "ms": '


_buffered_handler: BufferedJsonHandler | None = None


class OutageLog:
    """Log one line when a resource starts to fail and one when it works again, not one per failure.

    While some uses fail, others may succeed: the outage is over when `settle_seconds` have passed since the last failure.
    """

    def __init__(
        self, log: structlog.stdlib.BoundLogger, failure_message: str, recovery_message: str, *, settle_seconds: float = 0
    ) -> None:
        self._log, self._failure_message, self._recovery_message, self._settle_seconds = (
            log,
            failure_message,
            recovery_message,
            settle_seconds,
        )
        self._failing_since: float | None = None
        self._last_failure_at = 0.0

    def failed(self, reason: str) -> None:
        """Record a failure and its reason; logs the first."""
        self._last_failure_at = time.monotonic()
        if self._failing_since is None:
            self._failing_since = self._last_failure_at
            self._log.warning(self._failure_message, reason=reason)

    def recovered(self) -> None:
        """Record a success; logs the end of an outage and its duration."""
        if self._failing_since is not None and time.monotonic() - self._last_failure_at >= self._settle_seconds:
            self._log.info(self._recovery_message, seconds=round(time.monotonic() - self._failing_since, 1))
            self._failing_since = None
