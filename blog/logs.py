"""One stream of log lines, for our own code, uvicorn and libraries alike: JSON, or lines for people."""

import logging.config
import sys
import time

import structlog

from blog.settings import Settings

# Without the values of local variables: a form or a header among them would put a password into the log.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(settings: Settings) -> None:
    """Send everything to standard error, with level, time and correlation id on each line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer()]
        if settings.logs_json
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
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                "uvicorn": {"handlers": [], "propagate": True},
                "uvicorn.access": {"handlers": [], "propagate": False},  # our own line says more
                "databases": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class Outage:
    """Something that may fail for a while: one line when that begins and one when it is over, however many meet it meanwhile.

    What many use fails for one and works for the next while it comes and goes: it is over once nothing failed for `settle` seconds.
    """

    def __init__(self, log: structlog.stdlib.BoundLogger, begins: str, ends: str, *, settle: float = 0) -> None:
        self._log, self._begins, self._ends, self._settle = log, begins, ends, settle
        self._since: float | None = None
        self._last = 0.0

    def met(self, reason: str) -> None:
        """It fails."""
        self._last = time.monotonic()
        if self._since is None:
            self._since = self._last
            self._log.warning(self._begins, reason=reason)

    def over(self) -> None:
        """It works."""
        if self._since is not None and time.monotonic() - self._last >= self._settle:
            self._log.info(self._ends, seconds=round(time.monotonic() - self._since, 1))
            self._since = None
