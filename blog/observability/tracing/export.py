"""Where spans go, and what is taken out of them before."""

import os

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from blog import __version__
from blog.observability import logging
from blog.settings import Settings

# Links hold secrets, and addresses are somebody's; the route template says what was asked for.
_REDACTED_ATTRIBUTES = ("url.path", "url.query", "client.address", "user_agent.original")


class RedactingSpanProcessor(SpanProcessor):
    """Withholds what is personal or secret in the span of a request, and puts its ids together with those of the log."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Before anything else is done with it."""
        if span.kind is not SpanKind.SERVER:
            return
        for name in _REDACTED_ATTRIBUTES:
            if name in (span.attributes or {}):
                span.set_attribute(name, "withheld")
        if correlation_id := logging.correlation_id.get():
            span.set_attribute("blog.correlation_id", correlation_id)
        logging.trace_id.set(f"{span.get_span_context().trace_id:032x}")


def create_provider(settings: Settings) -> TracerProvider:
    """Sends spans in batches, from a thread of its own. The variables of OpenTelemetry (`OTEL_…`) decide the rest."""
    attributes = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or "blog",
        "service.version": __version__,
        "deployment.environment.name": settings.environment.value,
    }
    made = TracerProvider(resource=Resource.create(attributes))
    made.add_span_processor(RedactingSpanProcessor())
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.otel_exporter_otlp_endpoint}/v1/traces")))
    return made
