"""What Prometheus reads: sums of all workers that are what happened, by route template, for who has the token."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from blog import metrics
from blog.app import create_app
from blog.metrics import export
from blog.metrics.instruments import Counter, Timing
from tests.conftest import running
from tests.serving import free_port, serving, wait_until_up

TOKEN = "scrape-scrape-scrape"
SCRAPER = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """Each sample by its name and labels; a text that is none of Prometheus' raises."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for (found, given), value in samples.items() if found == name and labels.items() <= dict(given).items())


@pytest.fixture
async def watched(settings):
    async with running(create_app(settings.model_copy(update={"metrics_token": SecretStr(TOKEN), "cache_bytes": 10**6}))) as client:
        yield client


async def scraped(client) -> Samples:
    answer = await client.get("/metrics", headers=SCRAPER)
    assert answer.status_code == 200
    return read(answer.text)


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    return total(after, name, **labels) - total(before, name, **labels)


async def test_without_a_token_in_the_settings_there_is_no_such_page(client):
    assert (await client.get("/metrics")).status_code == 404
    assert (await client.get("/metrics", headers={"Authorization": "Bearer "})).status_code == 404


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_who_has_not_the_token_reads_nothing(watched, sent):
    answer = await watched.get("/metrics", headers=sent)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "blog_" not in answer.text


async def test_requests_are_counted_by_route_template(watched, bearer):
    headers, before = await bearer("ada"), await scraped(watched)
    made = (await watched.post("/api/v1/posts", json={"title": "Seen", "content": "x"}, headers=headers)).json()
    for _ in range(3):
        assert (await watched.get(f"/api/v1/posts/{made['id']}")).status_code == 200
    await watched.get("/nowhere/at/all")
    await watched.request("BREW", "/")
    after = await scraped(watched)
    route = "/api/v1/posts/{id:id}"
    assert grown(before, after, "blog_http_requests_total", route=route, method="GET", status="200") == 3
    assert grown(before, after, "blog_http_request_duration_seconds_count", route=route, method="GET") == 3
    assert grown(before, after, "blog_http_request_duration_seconds_bucket", route=route, method="GET", le="+Inf") == 3
    assert grown(before, after, "blog_http_requests_total", route="(no route)", status="404") == 1
    assert grown(before, after, "blog_http_requests_total", method="other") == 1
    assert "seen" not in str(after), "no address is a label"
    assert total(after, "blog_http_requests_in_flight") == 1, "the scrape itself"


async def test_cache_database_and_limits_are_counted(watched):
    before = await scraped(watched)
    for _ in range(5):
        await watched.get("/")
    after = await scraped(watched)
    assert grown(before, after, "blog_cache_lookups_total", outcome="miss") == 1
    assert grown(before, after, "blog_cache_lookups_total", outcome="hit") == 4
    assert total(after, "blog_cache_answers") == 1
    assert total(after, "blog_cache_bytes") > 1000
    assert grown(before, after, "blog_database_statement_seconds_count", kind="SELECT") >= 1
    assert grown(before, after, "blog_database_wait_seconds_count", role="reader") >= 1
    assert total(after, "blog_database_connections") >= total(after, "blog_database_connections_in_use") >= 0
    assert total(after, "blog_database_connections_awaited") == 0


async def test_live_connections_and_the_lag_of_events(watched, bearer):
    headers, before = await bearer("ada"), await scraped(watched)
    socket = await watched.ws.__aenter__() if hasattr(watched, "ws") else None
    assert socket is None
    await watched.post("/api/v1/posts", json={"title": "Told", "content": "x"}, headers=headers)
    await watched.get("/api/v1/events?channel=posts")
    after = await scraped(watched)
    assert grown(before, after, "blog_event_lag_seconds_count") == 1
    assert total(after, "blog_live_connections", door="poll") == 0
