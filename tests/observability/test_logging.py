"""Content of log lines, and values that must not be logged."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import httpx2
import pytest
import structlog
from structlog.testing import capture_logs

from blog.observability.logging import OutageLog
from blog.schemas.accounts import Role
from tests.conftest import Bearer
from tests.support.serving import blog, free_port, serving, wait_for_line, wait_until_up

CRASH = """
import structlog
from blog.observability.logging import configure_logs
from blog.settings import Settings

configure_logs(Settings(_env_file=None, log_format="{log_format}"))

def sign_in(password):
    return 1 / 0

try:
    sign_in("hunter2" + "x")
except ZeroDivisionError:
    structlog.stdlib.get_logger("blog").exception("crashed", path="/login")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_crash_is_logged_without_the_values_of_variables(tmp_path: Path, log_format: str) -> None:
    program = [sys.executable, "-c", CRASH.format(log_format=log_format)]
    log = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stderr
    assert "ZeroDivisionError" in log
    assert "/login" in log
    assert "hunter2x" not in log
    if log_format == "json":
        line = json.loads(log)
        assert (line["event"], line["level"], line["logger"]) == ("crashed", "error", "blog")
        assert line["timestamp"].endswith("Z")


REQUESTS = """
import asyncio, logging, sys
from blog.observability import logging as logs
from blog.settings import Settings

async def main():
    logs.configure_logs(Settings(_env_file=None, log_format="json"))
    logs.correlation_id.set('a"b')
    logs.log_request("GET", "/posts/{slug}", 200, 0.0123, None)
    logs.log_request("POST", "/login", 303, 0.2, "zoë")
    print(len(written()), "before", flush=True)
    logging.getLogger("other").warning("between")
    logs.log_request("HEAD", "/", 304, 0, None)
    {wait}

def written():
    return open("log").read().splitlines()

sys.stderr = open("log", "w", buffering=1)
asyncio.run(main())
print(len(written()), "after")
"""


@pytest.mark.parametrize(("wait", "after"), [("", 3), ("await asyncio.sleep(0.4)", 4)], ids=["at-the-end", "by-time"])
def test_requests_are_written_in_order_and_in_batches(tmp_path: Path, wait: str, after: int) -> None:
    program = [sys.executable, "-c", REQUESTS.replace("{wait}", wait)]
    counts = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert counts == ["0", "before", str(after), "after"]
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["request", "request", "between", "request"], "none is lost at the end"
    assert lines[0] | {"timestamp": ""} == {
        "method": "GET", "route": "/posts/{slug}", "status": 200, "ms": 12.3, "user": None, "event": "request",
        "correlation_id": 'a"b', "level": "info", "logger": "blog.access", "timestamp": "",
    }  # fmt: skip
    assert (lines[1]["user"], lines[1]["status"]) == ("zoë", 303)
    assert lines[2]["correlation_id"] == 'a"b', "lines of other loggers as well"
    assert sorted(line["timestamp"] for line in lines) == [line["timestamp"] for line in lines]
    assert {line["timestamp"][-1] for line in lines} == {"Z"}


def test_outage_is_logged_once_and_ends_after_a_quiet_period(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("blog.observability.logging.time.monotonic", lambda: now)
    with capture_logs() as lines:
        outage = OutageLog(structlog.stdlib.get_logger("test"), "it fails", "it works", settle_seconds=1)
        outage.recovered()
        outage.failed("no room")
        outage.recovered()
        now = 100.5
        outage.failed("still no room")
        now = 101.4
        outage.recovered()
        now = 101.6
        outage.recovered()
        outage.recovered()
    assert [(line["event"], line.get("reason"), line.get("seconds")) for line in lines] == [
        ("it fails", "no room", None), ("it works", None, 1.6),
    ]  # fmt: skip


@pytest.mark.sqlite
def test_each_request_has_a_line_with_its_id_route_status_time_and_user(home: Path) -> None:
    """Cached or not, found or not, anonymous or authenticated: read from a real server, as a log collector does."""
    blog(home, "user", "create", "ada", "ada@example.org", "--role", "author")
    bearer = {"Authorization": "Bearer " + blog(home, "token", "create", "ada").stdout.strip()}
    port = free_port()
    with serving(home, port, LOG_FORMAT="json") as (process, log), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until_up(port, process)
        asked = [
            ("GET", "/", {}),
            ("GET", "/", {}),
            ("GET", "/nowhere/at/all", {}),
            ("GET", "/api/v1/users/me", bearer),
            ("POST", "/theme", {}),
        ]
        answers = [client.request(method, path, headers=headers) for method, path, headers in asked]
        assert [answer.headers.get("x-cache") for answer in answers[:2]] == ["miss", "hit"]
        ids = [answer.headers["x-correlation-id"] for answer in answers]
        wait_for_line(log, process, f"({ids[-1]})")
        lines = [json.loads(line) for line in log.read_text().splitlines() if '"request"' in line]
    found = {line["correlation_id"]: line for line in lines}
    said = [(found[id_]["route"], found[id_]["status"], found[id_]["user"]) for id_ in ids]
    assert said[:4] == [("/", 200, None), ("/", 200, None), ("(no route)", 404, None), ("/api/v1/users/me", 200, "ada")]
    assert all(line["ms"] >= 0 and line["method"] and line["level"] == "info" and line["timestamp"] for line in lines)


FORGED = '\n{"event": "forged"}\r\x1b[2Jx'


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log_lines_cannot_be_forged(tmp_path: Path, log_format: str) -> None:
    program = f"""
import structlog
from blog.observability import logging as logs
from blog.settings import Settings

logs.configure_logs(Settings(_env_file=None, log_format="{log_format}"))
structlog.stdlib.get_logger("blog").warning("refused", what={FORGED!r})
"""
    log = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    ).stderr
    assert log.count("\n") == 1, "one line"
    assert "\x1b[2J" not in log, "no control sequences for terminals"
    if log_format == "json":
        assert json.loads(log)["what"] == FORGED


async def test_forbidden_requests_are_logged_with_their_user(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    eve = await bearer("eve", Role.READER)
    with capture_logs() as lines:
        await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=eve)
        await client.post("/logout", headers={"Origin": "https://evil.example"})
    found = [{name: line.get(name) for name in ("event", "status", "user", "address")} for line in lines]
    assert {"event": "request", "status": 403, "user": "eve", "address": None} in found
    assert {"event": "request rejected", "status": 403, "user": None, "address": "127.0.0.1"} in found, "a page of another site"
