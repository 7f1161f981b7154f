"""OpenTelemetry spans, with the optional extra `otel`. While tracing is off, nothing is imported and a span costs one comparison.

Starlette's middleware creates the spans of requests; this module creates those for database statements and e-mails. No span
contains values from clients.
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
    """Return the tracer provider, or None if OTEL_EXPORTER_OTLP_ENDPOINT is not set."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from blog.observability.tracing import export

    global _provider, _tracer  # one per process, like the exporter
    _provider = export.create_provider(settings)
    _tracer = _provider.get_tracer("blog")
    return _provider


async def flush() -> None:
    """Send buffered spans before the process ends."""
    if _provider is not None:
        await anyio.to_thread.run_sync(_provider.force_flush, _FLUSH_TIMEOUT_MS)


def statement_span(system: str, kind: str, sql: str) -> AbstractContextManager[None]:
    """Open a span for a statement, if its request is traced.

    `system` is the kind of database, `kind` the first word of the statement, `sql` its text with placeholders.
    """
    if _tracer is None:
        return _NO_SPAN
    attributes = {"db.system.name": system, "db.operation.name": kind, "db.query.text": sql}
    return _span(_tracer, kind, attributes, alone=False)


def email_span(kind: str, host: str) -> AbstractContextManager[None]:
    """Open a span for sending an e-mail of a kind to the mail server `host`. The recipient is not recorded."""
    if _tracer is None:
        return _NO_SPAN
    return _span(_tracer, "send email", {"blog.email.kind": kind, "server.address": host}, alone=True)


@contextlib.contextmanager
def _span(tracer: "Tracer", name: str, attributes: dict[str, str], *, alone: bool) -> Iterator[None]:
    """Open a span; with `alone` also outside of a request. Background tasks query every second, which is noise in a trace."""
    from opentelemetry import trace

    if not alone and not trace.get_current_span().is_recording():
        yield
        return
    # Record only the type of an error: its message may contain values.
    with tracer.start_as_current_span(
        name, kind=trace.SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(trace.StatusCode.ERROR)
            raise
