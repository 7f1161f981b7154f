"""The dashboard and the alerts use existing metrics, and `promtool` accepts the rules."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from blog.observability.metrics import INSTRUMENTS
from blog.observability.metrics.instruments import Histogram, Instrument
from tests.support.serving import free_port, serving, wait_until_up
from tests.support.tools import DEPLOY, checked, tool

T = TypeVar("T")
TOKEN = "scrape-scrape-scrape"
DASHBOARD = json.loads((DEPLOY / "grafana" / "blog.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
OF_PROMETHEUS = {"job", "instance", "le"}


def series() -> dict[str, Instrument]:
    """Return the instrument of each metric name of a scrape."""
    found: dict[str, Instrument] = {}
    for instrument in INSTRUMENTS:
        endings = ("_bucket", "_sum", "_count") if isinstance(instrument, Histogram) else ("",)
        found |= {instrument.name + ending: instrument for ending in endings}
    return found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for rule in ALERTS["groups"][0]["rules"]:
        yield rule["expr"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_expressions_use_existing_metrics_and_labels(expression: str) -> None:
    known = series()
    names = re.findall(r"\bblog_[a-z_]+", expression)
    assert names or expression.startswith("up{")
    assert set(names) <= set(known)
    labels = OF_PROMETHEUS | {label for name in names for label in known[name].labels}
    used = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    used |= set(re.findall(r"(\w+)=~?\"", expression))
    assert used <= labels
    assert expression.count("(") == expression.count(")")


def test_each_metric_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    missing = [instrument.name for instrument in INSTRUMENTS if instrument.name not in shown]
    assert missing == ["blog_cached_responses"], "the bytes of the cache say more"


def test_panels_do_not_overlap() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARD["panels"])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_each_alert_has_a_summary() -> None:
    for rule in ALERTS["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "alerts.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["test", "rules", "alerts.test.yml"],
    ],
    ids=["rules", "config", "when-alerts-come"],
)
def test_promtool_accepts_the_rules_and_alert_tests_pass(arguments: list[str]) -> None:
    checked(tool("promtool"), *arguments, folder="prometheus")


@pytest.mark.sqlite
def test_prometheus_scrapes_a_blog_and_evaluates_the_alerts(home: Path) -> None:
    """Run Prometheus with our configuration, with a scrape of this blog every second."""
    port, own, data = free_port(), free_port(), home / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", data)
    (data / "token").write_text(TOKEN)
    config = yaml.safe_load((data / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    job["authorization"]["credentials_file"] = str(data / "token")
    (data / "prometheus.yml").write_text(yaml.safe_dump(config))
    options = [
        f"--config.file={data}/prometheus.yml",
        f"--storage.tsdb.path={data}/series",
        f"--web.listen-address=127.0.0.1:{own}",
    ]
    with serving(home, port, METRICS_TOKEN=TOKEN) as (server, _log), (data / "log").open("wb") as log:
        wait_until_up(port, server)
        prometheus = subprocess.Popen([tool("prometheus"), *options], stdout=log, stderr=log)
        try:
            wait_until_up(own, prometheus)
            with httpx.Client(base_url=f"http://127.0.0.1:{own}/api/v1") as client:
                (target,) = until(lambda: seen(client.get("/targets").json()["data"]["activeTargets"]))
                assert (target["health"], target["lastError"]) == ("up", "")
                query = {"query": 'sum(blog_http_requests_total{route="/metrics"})'}
                assert until(lambda: client.get("/query", params=query).json()["data"]["result"])
                groups = until(lambda: evaluated(client.get("/rules").json()["data"]["groups"]))
                rules = [rule for group in groups for rule in group["rules"]]
                assert {(rule["health"], rule["state"]) for rule in rules} == {("ok", "inactive")}
                assert len(rules) == len(ALERTS["groups"][0]["rules"])
        finally:
            prometheus.terminate()
            prometheus.wait(30)


def until(look: Callable[[], T]) -> T:
    """Return the first result that is not empty."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)  # between two looks, not instead of one
    return found


def seen(targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [target for target in targets if target["health"] != "unknown"]


def evaluated(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return groups if all(rule["health"] != "unknown" for group in groups for rule in group["rules"]) else []
