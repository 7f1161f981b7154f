"""Dashboard and alerts ask for what the application measures, and Prometheus' own tool agrees with the rules."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from blog.metrics import INSTRUMENTS
from blog.metrics.instruments import Instrument, Timing
from tests.lines import ROOT

DEPLOY = ROOT / ".deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "blog.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
OF_PROMETHEUS = {"job", "instance", "le"}


def series() -> dict[str, Instrument]:
    """Each name that a scrape has, with what it is of."""
    found: dict[str, Instrument] = {}
    for instrument in INSTRUMENTS:
        endings = ("_bucket", "_sum", "_count") if isinstance(instrument, Timing) else ("",)
        found |= {instrument.name + ending: instrument for ending in endings}
    return found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for rule in ALERTS["groups"][0]["rules"]:
        yield rule["expr"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_expression_names_metrics_and_labels_that_there_are(expression):
    known = series()
    names = re.findall(r"\bblog_[a-z_]+", expression)
    assert names or expression.startswith("up{")
    assert set(names) <= set(known)
    labels = OF_PROMETHEUS | {label for name in names for label in known[name].labels}
    used = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    used |= set(re.findall(r"(\w+)=~?\"", expression))
    assert used <= labels
    assert expression.count("(") == expression.count(")")


def test_each_metric_is_on_the_dashboard():
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    missing = [instrument.name for instrument in INSTRUMENTS if instrument.name not in shown]
    assert missing == ["blog_cache_answers"], "the bytes of the cache say more"


def test_panels_have_places_of_their_own():
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARD["panels"])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_each_alert_says_what_it_is_about():
    for rule in ALERTS["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_prometheus_agrees_with_the_rules_and_alerts_come_when_they_should():
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("no promtool: install Debian's prometheus")
    folder = DEPLOY / "prometheus"
    for command in (
        ["check", "rules", "alerts.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["test", "rules", "alerts.test.yml"],
    ):
        checked = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
