"""Processes of the command `blog`, forked from a process that has already imported it.

Importing takes 1.2 s, and a server starts in 0.2 s; the tests start several hundred processes.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

from argon2 import PasswordHasher

from blog.cli import main
from blog.domain.core import password_hashing

_forkserver = multiprocessing.get_context("forkserver")
_forkserver.set_forkserver_preload(
    [
        "blog.app", "blog.server", "tests.support.processes",
        # Imported when they are needed first: 0.2 s per process.
        "alembic.command", "anyio._backends._asyncio", "blog.server.http", "blog.server.websocket", "uvicorn.loops.uvloop",
    ]
)  # fmt: skip


def cheap_hasher() -> PasswordHasher:
    """Return argon2id with its lowest costs, instead of 64 MiB and 0.1 s per hash; the real parameters have their own test."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class BlogProcess:
    """A process that runs `blog`, with those methods of `subprocess.Popen` that the tests use.

    It leads its own process group, which includes its workers.
    """

    def __init__(
        self, folder: Path, arguments: tuple[str, ...], environment: dict[str, str], stdin: Path, stdout: Path, stderr: Path
    ) -> None:
        options = (folder, arguments, environment, (stdin, stdout, stderr))
        self._process = _forkserver.Process(target=_run, args=options)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; the negative number of the signal that ended the process; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return `returncode`."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process, and return its exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if (code := self.returncode) is None:
            raise subprocess.TimeoutExpired("blog", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def kill_group(self) -> None:
        """Send SIGKILL to the process and its workers at once."""
        os.killpg(self.pid, signal.SIGKILL)


def _run(folder: Path, arguments: tuple[str, ...], environment: dict[str, str], files: tuple[Path, Path, Path]) -> None:
    """Run `blog` in this directory; `files` become its standard input, output and error."""
    os.setsid()
    for descriptor, (file, flags) in enumerate(zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        opened = os.open(file, flags | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (multiprocessing has opened /dev/null as standard input)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["blog", *arguments]
    setattr(password_hashing, "PasswordHasher", cheap_hasher)  # noqa: B010 (mypy: a class is not assigned to)
    main()
