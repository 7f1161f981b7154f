"""Spans for OpenTelemetry, by the extra `otel`. While tracing is off nothing of it is imported, and a span costs a comparison.

Requests get theirs from Starlette's own middleware; statements of the database and letters get them here. Values are in none.
"""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import anyio.to_thread

from blog.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_NO_SPAN = contextlib.nullcontext()
_FLUSH_TIMEOUT_MS = 2000
_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def start(settings: Settings) -> "TracerProvider | None":
    """What makes the spans of requests, if the settings name somebody to send them to."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from blog.observability.tracing import export

    global _provider, _tracer  # of the process, as the collector is
    _provider = export.create_provider(settings)
    _tracer = _provider.get_tracer("blog")
    return _provider


async def flush() -> None:
    """Send what waits to be sent: the process may end without further notice."""
    if _provider is not None:
        await anyio.to_thread.run_sync(_provider.force_flush, _FLUSH_TIMEOUT_MS)


def statement_span(system: str, kind: str, sql: str) -> AbstractContextManager[None]:
    """A statement of a request that is traced. `sql` has placeholders, no values."""
    if _tracer is None:
        return _NO_SPAN
    attributes = {"db.system.name": system, "db.operation.name": kind, "db.query.text": sql}
    return _span(_tracer, kind, attributes, alone=False)


def email_span(kind: str, host: str) -> AbstractContextManager[None]:
    """The sending of a letter; to whom is not told."""
    if _tracer is None:
        return _NO_SPAN
    return _span(_tracer, "send email", {"blog.email.kind": kind, "server.address": host}, alone=True)


@contextlib.contextmanager
def _span(tracer: "Tracer", name: str, attributes: dict[str, str], *, alone: bool) -> Iterator[None]:
    """`alone`: also outside of any request. Regular work asks the database each second, which nobody wants to read."""
    from opentelemetry import trace

    if not alone and not trace.get_current_span().is_recording():
        yield
        return
    # Of an error its type: what it says may hold values.
    with tracer.start_as_current_span(
        name, kind=trace.SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(trace.StatusCode.ERROR)
            raise
