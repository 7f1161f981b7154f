"""Start the blog without a container: with the Procfile and systemd; and replicate its SQLite file."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from blog.server import GRACEFUL_SHUTDOWN_TIMEOUT
from tests.support import matching
from tests.support.lines import ROOT
from tests.support.serving import blog, clean_environment, free_port, run_sql, wait_until_up
from tests.support.tools import DEPLOY, checked, tool

UNIT = (DEPLOY / "systemd" / "blog.service").read_text()


@pytest.fixture
def application(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a folder with the Procfile, and an environment in which `blog` is found, as on a host such as Heroku."""
    shutil.copy(ROOT / "Procfile", tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return tmp_path, clean_environment() | {"PATH": path}


@pytest.mark.sqlite
@pytest.mark.parametrize("workers", ["1", "2"])
def test_processes_of_the_procfile_start_and_stop(application: tuple[Path, dict[str, str]], workers: str) -> None:
    folder, environment = application
    port, start = free_port(), [tool("honcho"), "-f", "Procfile", "start"]
    released = subprocess.run([*start, "release"], cwd=folder, env=environment, capture_output=True, timeout=60, check=False)
    assert (released.returncode, (folder / "blog.db").exists()) == (0, True), released.stdout
    process = subprocess.Popen(
        [*start, "web"], env=environment | {"PORT": str(port), "WEB_CONCURRENCY": workers}, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        wait_until_up(port, process)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, "ended by the signal, as a shell says it"
    assert said.count("Application shutdown complete") == said.count("Finished server process") == int(workers)
    assert "Traceback" not in said


def test_procfile_is_valid() -> None:
    assert "web" in checked(tool("honcho"), "-f", ROOT / "Procfile", "check")


def test_systemd_unit_is_valid_and_sandboxed(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    unit = tmp_path / "blog.service"
    unit.write_text(UNIT.replace("/opt/blog/bin/blog", str(Path(sys.executable).parent / "blog")))
    assert checked(analyze, "verify", unit) == ""
    exposure = matching.search(
        r"Overall exposure level for blog.service: ([\d.]+)", checked(analyze, "security", "--offline=true", unit)
    )
    assert float(exposure[1]) < 2, "of 10; most services have more than 9"


def test_systemd_unit_drains_requests_and_reloads_by_signal() -> None:
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(seconds) > GRACEFUL_SHUTDOWN_TIMEOUT
    assert "ExecReload=/bin/kill -HUP $MAINPID" in UNIT
    (workers,) = re.findall(r"^Environment=WEB_CONCURRENCY=(\d+)$", UNIT, re.MULTILINE)
    assert int(workers) > 1, "alone a server would end by it"


def test_litestream_replicates_and_restores(tmp_path: Path) -> None:
    """Use our configuration, with a folder instead of a bucket."""
    litestream, folder = tool("litestream"), tmp_path / "blog"
    folder.mkdir()
    assert blog(folder, "user", "create", "ada", "ada@example.org").returncode == 0
    written = yaml.safe_load((DEPLOY / "litestream" / "litestream.yml").read_text())
    (database,) = written["dbs"]
    assert database["replica"]["type"] == "s3"
    database["replica"] = {"type": "file", "path": str(tmp_path / "copy")}
    config, back = tmp_path / "litestream.yml", tmp_path / "back.db"
    config.write_text(yaml.safe_dump(written))
    environment = {"DATABASE_FILE": str(folder / "blog.db")}
    checked(litestream, "replicate", "-once", "-config", config, **environment)
    assert blog(folder, "user", "create", "bob", "bob@example.org").returncode == 0
    checked(litestream, "replicate", "-once", "-config", config, **environment)
    checked(litestream, "restore", "-config", config, "-o", back, folder / "blog.db", **environment)
    shutil.move(back, folder / "blog.db")
    assert run_sql(folder, "SELECT username FROM users ORDER BY username") == [("ada",), ("bob",)]
    assert blog(folder, "check").returncode == 0
