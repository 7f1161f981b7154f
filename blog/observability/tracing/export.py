"""Export of OpenTelemetry spans, after redaction."""

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

# Links contain secrets, and addresses are personal data. The route template remains.
_REDACTED_ATTRIBUTES = ("url.path", "url.query", "client.address", "user_agent.original")


class RedactingSpanProcessor(SpanProcessor):
    """Redact personal and secret attributes of request spans, and connect their ids with those of the log."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Redact the span before other processors see it."""
        if span.kind is not SpanKind.SERVER:
            return
        for name in _REDACTED_ATTRIBUTES:
            if name in (span.attributes or {}):
                span.set_attribute(name, "withheld")
        if correlation_id := logging.correlation_id.get():
            span.set_attribute("blog.correlation_id", correlation_id)
        logging.trace_id.set(f"{span.get_span_context().trace_id:032x}")


def create_provider(settings: Settings) -> TracerProvider:
    """Return a tracer provider that sends spans in batches, from a thread. `OTEL_…` variables set all other options."""
    attributes = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or "blog",
        "service.version": __version__,
        "deployment.environment.name": settings.environment.value,
    }
    provider = TracerProvider(resource=Resource.create(attributes))
    provider.add_span_processor(RedactingSpanProcessor())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.otel_exporter_otlp_endpoint}/v1/traces")))
    return provider
