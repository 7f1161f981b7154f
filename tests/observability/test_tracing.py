"""Spans of requests by route template, of statements, and of e-mails contain no secrets; without tracing nothing is imported."""

import http.server
import io
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from blog.app import create_app
from blog.domain.core.context import Site
from blog.observability import logging, tracing
from blog.settings import Settings
from tests.conftest import Bearer, running
from tests.support.optional import unwrap
from tests.support.serving import clean_environment, free_port

COLLECTOR = "http://127.0.0.1:4318"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Return the exporter that stores each span."""
    kept = InMemorySpanExporter()
    monkeypatch.setattr("blog.observability.tracing.export.OTLPSpanExporter", lambda _endpoint: kept)
    monkeypatch.setattr("blog.observability.tracing.export.BatchSpanProcessor", SimpleSpanProcessor)
    yield kept
    unwrap(tracing._provider).shutdown()
    monkeypatch.setattr(tracing, "_provider", None)
    monkeypatch.setattr(tracing, "_tracer", None)


@pytest.fixture
async def traced(settings: Settings, spans: InMemorySpanExporter) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(create_app(settings.model_copy(update={"otel_exporter_otlp_endpoint": COLLECTOR}))) as client:
        yield client


async def test_request_and_its_statements_are_one_trace(
    traced: httpx2.AsyncClient, spans: InMemorySpanExporter, database: str, bearer: Bearer
) -> None:
    headers = await bearer("ada")
    made = (await traced.post("/api/v1/posts", json={"title": "News", "content": "x"}, headers=headers)).json()
    spans.clear()
    assert (await traced.get(f"/api/v1/posts/{made['id']}")).status_code == 200
    *statements, request = spans.get_finished_spans()
    assert (request.name, request.kind) == ("GET /api/v1/posts/{id}", SpanKind.SERVER)
    assert unwrap(request.attributes)["http.route"] == "/api/v1/posts/{id}"
    assert unwrap(request.attributes)["http.response.status_code"] == 200
    assert statements
    for span in statements:
        assert span.kind is SpanKind.CLIENT
        assert span.context.trace_id == request.context.trace_id
        assert unwrap(span.attributes)["db.system.name"] == database
    assert "SELECT" in {span.name for span in statements}


async def test_spans_contain_no_secrets_and_no_addresses(traced: httpx2.AsyncClient, spans: InMemorySpanExporter) -> None:
    await traced.get("/preview/a-secret-of-somebody?q=also", headers={"User-Agent": "a browser of somebody"})
    text = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "/preview/{secret}" in text
    assert "of-somebody" not in text
    assert "also" not in text
    assert "browser of" not in text


async def test_log_lines_and_spans_are_linked(
    traced: httpx2.AsyncClient, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logging, "_buffered_handler", logging.BufferedJsonHandler(stream))
    answer = await traced.get("/tags")
    unwrap(logging._buffered_handler).flush()
    line = json.loads(stream.getvalue())
    (request,) = (span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER)
    assert unwrap(request.attributes)["blog.correlation_id"] == answer.headers["x-correlation-id"]
    assert line["correlation_id"] == answer.headers["x-correlation-id"]
    assert line["trace_id"] == f"{request.context.trace_id:032x}"
    assert logging.add_correlation_ids(None, "info", {})["trace_id"] == line["trace_id"], "lines of other loggers as well"


async def test_trace_of_the_caller_is_continued(traced: httpx2.AsyncClient, spans: InMemorySpanExporter) -> None:
    await traced.get("/tags", headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    assert {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()} == {"0af7651916cd43dd8448eb211c80319c"}


async def test_health_checks_static_files_and_background_work_have_no_spans(
    traced: httpx2.AsyncClient, spans: InMemorySpanExporter, site: Site
) -> None:
    await traced.get("/healthz")
    await traced.get("/static/css/blog.css")
    await site.db.fetch_all("SELECT 1")
    assert spans.get_finished_spans() == ()


async def test_email_span_has_no_recipient(traced: httpx2.AsyncClient, spans: InMemorySpanExporter) -> None:
    await traced.get("/healthz")  # the first request puts the middleware together
    with pytest.raises(ConnectionError), tracing.email_span("password_link", "mail.example.org"):
        raise ConnectionError("ada@example.org was refused")
    (span,) = spans.get_finished_spans()
    assert (span.name, unwrap(span.attributes)["server.address"]) == ("send email", "mail.example.org")
    assert (span.status.status_code, unwrap(span.attributes)["error.type"]) == (StatusCode.ERROR, "ConnectionError")
    assert "ada@" not in span.to_json()


async def test_collector_receives_valid_otlp(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[tuple[str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", free_port()), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        async with running(create_app(settings.model_copy(update={"otel_exporter_otlp_endpoint": endpoint}))) as client:
            await client.get("/tags")
        unwrap(tracing._provider).shutdown()
        server.shutdown()
        thread.join()
    monkeypatch.setattr(tracing, "_provider", None)
    monkeypatch.setattr(tracing, "_tracer", None)
    ((path, body), *_) = bodies
    sent = ExportTraceServiceRequest.FromString(body)
    assert path == "/v1/traces"
    names = [span.name for part in sent.resource_spans for scope in part.scope_spans for span in scope.spans]
    assert "GET /tags" in names
    resource = {item.key: item.value.string_value for item in sent.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "blog"


def test_without_tracing_nothing_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from starlette.testclient import TestClient\n"
        "from blog.asgi import app\n"
        "with TestClient(app) as client: client.get('/').raise_for_status()\n"
        "loaded = [name for name in ('opentelemetry', 'sentry_sdk', 'prometheus_client') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=clean_environment(), check=True, timeout=60)
