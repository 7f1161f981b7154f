"""One stream of log lines, for our own code, uvicorn and libraries alike: JSON, or lines for people."""

import asyncio
import functools
import logging.config
import sys
import threading
import time
from contextvars import ContextVar
from json.encoder import encode_basestring_ascii as quoted
from typing import TextIO

import structlog

from blog.settings import Settings

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""Of the request that runs; on each of its lines."""
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""Of the trace that the request belongs to, while requests are traced; on each of its lines too."""

_access_log, _live_log = structlog.stdlib.get_logger("blog.access"), structlog.stdlib.get_logger("blog.live")

# Without the values of local variables: a form or a header among them would put a password into the log.
_TRACEBACK_RENDERER = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(settings: Settings) -> None:
    """Send everything to standard error, with level, time and correlation id on each line."""
    shared: list[structlog.typing.Processor] = [
        add_correlation_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [_TRACEBACK_RENDERER, structlog.processors.JSONRenderer()]
        if settings.use_json_logs
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {
                "stderr": {
                    "class": "blog.observability.logging.BufferedJsonHandler",
                    "formatter": "line",
                    "stream": "ext://sys.stderr",
                }
            },
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                "uvicorn": {"handlers": [], "propagate": True},
                "uvicorn.access": {"handlers": [], "propagate": False},  # our own line says more
                "databases": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
            },
        }
    )
    global _buffered_handler
    _buffered_handler = (
        next(handler for handler in logging.root.handlers if isinstance(handler, BufferedJsonHandler))
        if settings.use_json_logs
        else None
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_request(method: str, route: str, status: int, seconds: float, user: str | None) -> None:
    """The line of a request that was answered, or met an error, after so many seconds."""
    if _buffered_handler is not None:
        _buffered_handler.add_request(method, route, status, seconds, user)
    else:
        _access_log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1), user=user)


def log_websocket_close(code: int, user: str | None) -> None:
    """The line of a WebSocket that is over, with its close code. Thousands may end at once."""
    if _buffered_handler is not None:
        _buffered_handler.add_line(
            f'{{"code": {code}, "user": {quoted(user) if user else "null"}, "event": "socket closed", ', "blog.live"
        )
    else:
        _live_log.info("socket closed", code=code, user=user)


def add_correlation_ids(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor: the line tells of which request it is, and in which trace."""
    for variable in (correlation_id, trace_id):
        if (found := variable.get()) is not None:
            event[variable.name] = found
    return event


class BufferedJsonHandler(logging.StreamHandler[TextIO]):
    """Writes lines in their order: those of requests, which are put together by hand, some at a time, all others at once.

    Through `logging` the line costs more than the answer, if that is a kept one, and its write as much again. At an orderly
    stop `logging` flushes its handlers, so that only who kills the process loses the last quarter of a second.
    """

    _FLUSH_INTERVAL = 0.25

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines_lock = threading.RLock()  # the garbage collector may log in the middle of a line
        self._lines: list[str] = []
        self._cached_second, self._cached_timestamp = 0, ""

    def add_request(self, method: str, route: str, status: int, seconds: float, user: str | None) -> None:
        """The line of a request."""
        told = f'{seconds * 1000:.1f}, "user": {quoted(user) if user else "null"}, "event": "request", '
        self.add_line(_request_prefix(method, route, status) + told, "blog.access")

    def add_line(self, prefix: str, logger: str) -> None:
        """A line of JSON of the same form as all others, from what is its own."""
        traced = f'"trace_id": "{found}", ' if (found := trace_id.get()) else ""
        line = (
            f'{prefix}"correlation_id": {quoted(correlation_id.get() or "")}, {traced}'
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
        """Any other line."""
        self._write_buffered()
        super().emit(record)

    def flush(self) -> None:
        """Write what waits."""
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
    """Something that may fail for a while: one line when that begins and one when it is over, however many meet it meanwhile.

    What many use may fail for one and work for the next meanwhile: it is over once nothing failed for `settle` seconds.
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
        """It fails."""
        self._last_failure_at = time.monotonic()
        if self._failing_since is None:
            self._failing_since = self._last_failure_at
            self._log.warning(self._failure_message, reason=reason)

    def recovered(self) -> None:
        """It works."""
        if self._failing_since is not None and time.monotonic() - self._last_failure_at >= self._settle_seconds:
            self._log.info(self._recovery_message, seconds=round(time.monotonic() - self._failing_since, 1))
            self._failing_since = None
