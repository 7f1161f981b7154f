"""Running the command `blog` and real servers in separate processes."""

import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from tests.support.patience import seconds
from tests.support.ports import free_port
from tests.support.processes import BlogProcess

__all__ = ["blog", "clean_environment", "free_port", "run_sql", "serving", "wait_for_line", "wait_until_up"]


class Process(Protocol):
    """A process of `subprocess` or of `tests.support.processes`."""

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""


DATABASE = "BLOG_TEST_DATABASE_URL"
"""Environment variable with the database URL for commands and servers; unset: a SQLite file in their directory."""


def blog(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `blog` with these arguments in the directory `folder`; the caller checks the exit code."""
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, file) for file in ("stdin", "stdout", "stderr")]
        for file, text in zip(files, (stdin, "", ""), strict=True):
            file.write_text(text)
        process = BlogProcess(folder, arguments, clean_environment() | environment, *files)
        try:
            code = process.wait(seconds(60))
        finally:
            process.kill()
        return subprocess.CompletedProcess(["blog", *arguments], code, files[1].read_text(), files[2].read_text())


def clean_environment() -> dict[str, str]:
    """Return the environment for a command: none of the settings of the machine, and the database of the fixture `home`."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    if url := os.environ.get(DATABASE):
        environment["DATABASE_URL"] = url
    return environment


def run_sql(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Execute a statement in the database of this directory's commands, and return the rows. Times are in UTC."""
    options: dict[str, Any]
    if url := os.environ.get(DATABASE):
        address, options = sa.make_url(url).set(drivername="postgresql+psycopg"), {"options": "-c timezone=UTC"}
    else:
        address, options = sa.URL.create("sqlite", database=str(folder / "blog.db")), {"timeout": 30}
    with sa.create_engine(address, poolclass=sa.NullPool, connect_args=options).begin() as connection:
        result = connection.execute(sa.text(sql))
        return [tuple(row) for row in result] if result.returns_rows else []


class serving:  # noqa: N801 (a context manager)
    """Run `blog serve` until the end of the block, and stop it with SIGTERM. Yields the process and its log file."""

    def __init__(self, folder: Path, port: int, *options: str, **environment: str) -> None:
        self.log = folder / "log"
        self._arguments = ("serve", "--port", str(port), *options)
        self._folder, self._environment = folder, clean_environment() | environment

    def __enter__(self) -> tuple[BlogProcess, Path]:
        self.log.write_bytes(b"")
        self._process = BlogProcess(
            self._folder, self._arguments, self._environment, stdin=Path(os.devnull), stdout=self.log, stderr=self.log
        )
        return self._process, self.log

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(seconds(30))


def wait_until_up(port: int, server: Process) -> None:
    """Wait until the server accepts connections. Raises AssertionError if it exits or takes too long."""
    deadline = time.monotonic() + seconds(30)
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)  # polling interval
    raise AssertionError("the server does not accept connections")


def wait_for_line(log: Path, server: Process, pattern: str) -> str:
    """Wait until the log matches `pattern`, and return its first group."""
    deadline = time.monotonic() + seconds(30)
    while time.monotonic() < deadline and server.poll() is None:
        if match := re.search(pattern, log.read_text()):
            return match[1]
        time.sleep(0.02)
    raise AssertionError(f"no such line in {log.read_text()}")
