"""Dependencies have bounds, are listed in a bill of materials, and are checked for known vulnerabilities."""

import hashlib
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.support.lines import ROOT
from tests.support.serving import free_port

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ALL = [("", line) for line in PROJECT["dependencies"]] + [(extra, line) for extra, lines in EXTRAS.items() for line in lines]
BOM = {
    "components": [
        {"name": "jinja2", "version": "3.1.6", "purl": "pkg:pypi/jinja2@3.1.6"},
        {"name": "pillow", "version": "12.1.0", "purl": "pkg:pypi/pillow@12.1.0"},
        {"name": "something else", "version": "1"},
    ]
}


@pytest.mark.parametrize(("extra", "line"), ALL, ids=lambda value: str(value.partition(">")[0]))
def test_every_dependency_has_a_lower_and_an_upper_bound(extra: str, line: str) -> None:
    requirement = Requirement(line)
    if requirement.name == PROJECT["name"]:
        return  # the extras of the blog itself
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}, line


def test_tests_run_with_every_extra() -> None:
    own = next(Requirement(line) for line in EXTRAS["test"] if line.startswith(PROJECT["name"]))
    assert own.extras == set(EXTRAS) - {"test", "dev"}


def test_full_run_prints_the_summary_of_pytest_last() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == ['tail -n 1 "$results"', 'exit "$status"']


Audit = Callable[..., "subprocess.CompletedProcess[str]"]


class Advisories(BaseHTTPRequestHandler):
    """An advisory database with two advisories for one package, on two pages."""

    vulnerable = ""

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        assert self.path == "/v1/querybatch"
        body = json.dumps({"results": [self.result(query) for query in queries]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def result(self, query: dict[str, Any]) -> dict[str, Any]:
        assert query["package"]["ecosystem"] == "PyPI"
        if query["package"]["name"] != self.vulnerable or query["version"] != "12.1.0":
            return {}
        if query.get("page_token") == "two":
            return {"vulns": [{"id": "GHSA-2"}]}
        return {"vulns": [{"id": "GHSA-1"}], "next_page_token": "two"}

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Run the script, by default with a bill of materials and an address where no database listens."""
    (tmp_path / "bom.json").write_text(json.dumps(BOM))

    def run(port: int | None = None, bom: str = "bom.json") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / ".ci" / "audit", tmp_path / bom],
            env={"OSV_URL": f"http://127.0.0.1:{port or free_port()}"}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(("vulnerable", "code", "expected"), [
    ("", 0, "2 packages, 0 with known vulnerabilities"), ("pillow", 1, "pillow 12.1.0: GHSA-1, GHSA-2\n"),
])  # fmt: skip
def test_audit_prints_the_known_vulnerabilities(audit: Audit, vulnerable: str, code: int, expected: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (Advisories,), {"vulnerable": vulnerable}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        done = audit(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (done.returncode, expected in done.stdout, done.stderr) == (code, True, "")


def test_audit_fails_if_the_database_is_unreachable(audit: Audit) -> None:
    done = audit()
    assert (done.returncode, done.stdout) == (2, "")
    assert "NOTHING WAS AUDITED" in done.stderr
    missing = audit(bom="none.json")
    assert (missing.returncode, "Run .ci/bom first" in missing.stderr) == (2, True)


def test_vendored_files_have_a_version_a_licence_and_their_digest() -> None:
    folder = ROOT / "static" / "vendor"
    rows = re.findall(
        r"^\| [^|]+ \| [\d.]+ \| \w+ \| `([^`]+)` \| `([0-9a-f]{64})` \|$", (folder / "VERSIONS.md").read_text(), re.M
    )
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name, _ in rows} == dict(rows)
    listed = {folder / name for name, _ in rows}
    licences = {path.parent / "LICENSE" for path in listed}
    assert {path for path in folder.rglob("*") if path.is_file()} == {folder / "VERSIONS.md", *listed, *licences}
