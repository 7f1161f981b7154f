"""Metrics for Prometheus: exact sums over all workers, by route template, for clients with the token."""

import contextlib
import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from timeit import timeit

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from blog.app import create_app
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.observability import metrics
from blog.observability.metrics.instruments import Counter, Histogram
from blog.schemas.posts import NewPost, PostStatus
from blog.settings import Settings
from tests.conftest import Bearer, running
from tests.live.test_endpoints import following, receive, subscribed, write
from tests.support.serving import clean_environment, free_port, serving, wait_until_up

TOKEN = "scrape-scrape-scrape"
SCRAPER = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """Return each sample by name and labels. Raises ValueError if the text is not in Prometheus' format."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for (found, given), value in samples.items() if found == name and labels.items() <= dict(given).items())


@pytest.fixture
async def watched(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(
        create_app(settings.model_copy(update={"metrics_token": SecretStr(TOKEN), "max_cache_bytes": 10**6}))
    ) as client:
        yield client


async def scraped(client: httpx2.AsyncClient) -> Samples:
    answer = await client.get("/metrics", headers=SCRAPER)
    assert answer.status_code == 200
    return read(answer.text)


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    return total(after, name, **labels) - total(before, name, **labels)


async def growing(client: httpx2.AsyncClient, before: Samples, name: str, **labels: str) -> Samples:
    """Return the metrics after this one has grown."""
    with anyio.fail_after(30):
        while not grown(before, after := await scraped(client), name, **labels):  # noqa: ASYNC110 (something looks at a clock)
            await anyio.sleep(0.05)
    return after


async def test_metrics_are_not_found_without_a_token_in_the_settings(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/metrics")).status_code == 404
    assert (await client.get("/metrics", headers={"Authorization": "Bearer "})).status_code == 404


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_metrics_need_the_token(watched: httpx2.AsyncClient, sent: dict[str, str]) -> None:
    answer = await watched.get("/metrics", headers=sent)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "blog_" not in answer.text


async def test_requests_are_counted_by_route_template(watched: httpx2.AsyncClient, bearer: Bearer) -> None:
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


async def test_cache_database_and_limits_are_counted(watched: httpx2.AsyncClient) -> None:
    before = await scraped(watched)
    for _ in range(5):
        await watched.get("/")
    after = await scraped(watched)
    assert grown(before, after, "blog_cache_lookups_total", outcome="miss") == 1
    assert grown(before, after, "blog_cache_lookups_total", outcome="hit") == 4
    assert total(after, "blog_cached_responses") == 1
    assert total(after, "blog_cache_bytes") > 1000
    assert grown(before, after, "blog_database_statement_seconds_count", kind="SELECT") >= 1
    assert grown(before, after, "blog_database_pool_wait_seconds_count", role="reader") >= 1
    assert total(after, "blog_database_connections") >= total(after, "blog_database_connections_in_use") >= 0
    assert total(after, "blog_database_connections_awaited") == 0


async def test_live_connections_and_the_lag_of_events(watched: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers, before = await bearer("ada"), await scraped(watched)
    async with following(watched) as socket:
        await subscribed(socket, "posts")
        assert grown(before, await scraped(watched), "blog_live_connections", transport="websocket") == 1
        await write(watched, headers)
        await receive(socket)
        during = await scraped(watched)
        assert grown(before, during, "blog_event_lag_seconds_count") == 1
        assert 0 <= grown(before, during, "blog_event_lag_seconds_sum") < 10
    await watched.get("/api/v1/events?channel=posts")
    after = await scraped(watched)
    assert grown(before, after, "blog_live_connections") == 0, "all have left"
    assert grown(before, after, "blog_live_closes_total", code="1000") == 1


async def test_rate_limited_requests_are_counted_by_limit(settings: Settings) -> None:
    strict = settings.model_copy(update={"metrics_token": SecretStr(TOKEN), "rate_limit": "2/minute"})
    async with running(create_app(strict)) as client:
        before = await scraped(client)
        assert [(await client.get("/tags")).status_code for _ in range(4)] == [200, 200, 429, 429]
        assert grown(before, await scraped(client), "blog_rate_limited_total", policy="default") == 2


async def test_emails_and_scheduled_posts_are_shown(settings: Settings, author: Context) -> None:
    mailing = settings.model_copy(
        update={
            "metrics_token": SecretStr(TOKEN),
            "smtp_url": SecretStr(f"smtp://127.0.0.1:{free_port()}"),
            "mail_from": "blog@example.org",
        }
    )
    async with running(create_app(mailing)) as client:
        before = await scraped(client)
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.2)
        await posts.create(author, NewPost(title="Later", content="x", status=PostStatus.SCHEDULED, publish_at=soon))
        await client.post("/reset-password", data={"name": "ada"})
        await growing(client, before, "blog_background_items_total", task="publish_posts")
        after = await growing(client, before, "blog_emails_failed_total", outcome="rescheduled")
    assert total(after, "blog_email_queue_length") == 1, "it is tried again"
    assert total(after, "blog_scheduled_posts_overdue") == 0


async def test_event_loop_lag_is_measured(watched: httpx2.AsyncClient) -> None:
    before = await growing(watched, await scraped(watched), "blog_event_loop_lag_seconds_count")
    time.sleep(1)  # noqa: ASYNC251 (holds the loop up)
    after = await growing(watched, before, "blog_event_loop_lag_seconds_count")
    assert grown(before, after, "blog_event_loop_lag_seconds_sum") > 0.7, "it looks every quarter of a second"


def test_sums_are_exact() -> None:
    timing = Histogram("t", "", ("what",), buckets=(0.1, 1))
    for seconds in (0.05, 0.1, 0.5, 1.5, 2):
        timing.observe(seconds, "a")
    assert timing.drain() == {("a",): [2, 1, 2, pytest.approx(4.15)]}
    assert timing.drain() == {}, "each is taken once"
    counter = Counter("c_total", "")
    counter.inc()
    counter.inc(by=2)
    assert counter.drain() == {(): 3}


def test_metric_names_follow_the_conventions() -> None:
    for instrument in metrics.INSTRUMENTS:
        assert re.fullmatch(r"blog_[a-z_]+", instrument.name)
        assert instrument.name.endswith("_total") == isinstance(instrument, Counter)
        assert instrument.name.endswith("_seconds") == isinstance(instrument, Histogram)
        assert instrument.help.endswith(".")


def test_observing_a_request_is_cheap() -> None:
    """Compared with a cached response, about 20 µs, it must be negligible. Best of many runs: the machine is shared."""
    runs = (timeit(lambda: metrics.observe_request("/posts/{slug}", "GET", 200, 0.00002), number=5000) / 5000 for _ in range(20))
    assert min(runs) < 5e-6


def test_prometheus_client_is_not_imported_without_a_token(tmp_path: Path) -> None:
    program = "import sys, blog.asgi; sys.exit('prometheus_client' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=clean_environment(), check=True, timeout=60)


# Several workers


@contextlib.contextmanager
def two_workers(folder: Path, **environment: str) -> Iterator[str]:
    """Yield the URL of a server with two workers."""
    port = free_port()
    url, environment = f"http://127.0.0.1:{port}", {"METRICS_TOKEN": TOKEN, "RATE_LIMIT": "off", **environment}
    with serving(folder, port, "--workers", "2", **environment) as (process, _):
        wait_until_up(port, process)
        await_sums(url, lambda samples: total(samples, "blog_workers") == 2)
        yield url


def await_sums(url: str, is_right: Callable[[Samples], bool]) -> Samples:
    """Return the metrics once they are right: workers export their sums once per second."""
    deadline = time.monotonic() + 30
    while True:
        samples = read(httpx.get(f"{url}/metrics", headers=SCRAPER).raise_for_status().text)
        if is_right(samples):
            return samples
        assert time.monotonic() < deadline, samples
        time.sleep(0.05)  # between two looks


@pytest.mark.sqlite
def test_scrape_of_two_workers_counts_each_request_once(home: Path) -> None:
    no_keep_alive = httpx.Limits(max_keepalive_connections=0)  # so that both workers get some
    with two_workers(home) as url, httpx.Client(base_url=url, limits=no_keep_alive) as client:
        for number in range(60):
            client.get("/tags").raise_for_status()
            assert client.get(f"/nowhere/{number}").status_code == 404
        samples = await_sums(url, lambda samples: total(samples, "blog_http_requests_total", status="404") == 60)
        assert total(samples, "blog_http_requests_total", route="/tags", status="200") == 60
        assert total(samples, "blog_http_request_duration_seconds_count", route="/tags") == 60
        assert total(samples, "blog_http_request_duration_seconds_bucket", route="/tags", le="+Inf") == 60
        assert total(samples, "blog_cache_lookups_total") == 60
        assert total(samples, "blog_cache_lookups_total", outcome="miss") <= 2, "each worker keeps its own"


def living(folder: Path) -> list[int]:
    """Return the processes with gauges."""
    return [int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_livesum_*.db")]


@pytest.mark.sqlite
def test_killed_worker_keeps_its_counters_but_no_gauges(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sums"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"of an earlier start")
    with two_workers(home, PROMETHEUS_MULTIPROC_DIR=str(folder)) as url:
        for _ in range(20):
            httpx.get(f"{url}/tags").raise_for_status()
        await_sums(url, lambda samples: total(samples, "blog_http_requests_total", route="/tags") == 20)
        killed, other = living(folder)
        os.kill(killed, signal.SIGKILL)
        samples = await_sums(url, lambda _: len(living(folder)) == 2 and killed not in living(folder))
        assert total(samples, "blog_workers") == 2, "nor is it counted any more"
        assert other in living(folder)
        assert total(samples, "blog_http_requests_total", route="/tags") == 20
    assert not list(folder.glob("gauge_live*")), "a worker that stops in order removes its gauges"
