"""Several processes of one blog behind nginx, with PostgreSQL and Redis of their own, all of which can be stopped and started."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import Server
from tests.support.proxies import proxy
from tests.support.serving import blog, free_port, serving, wait_until_up
from tests.support.valkey import Valkey

NAME, PASSWORD = "ada", "a long enough one"


class Process:
    """One `blog serve`, on a port of its own."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        folder.mkdir()
        self.port = free_port()
        self._server = serving(folder, self.port, **settings)

    def start(self) -> None:
        """Return when it answers."""
        self._process, self.log = self._server.__enter__()
        wait_until_up(self.port, self._process)

    def kill(self) -> None:
        """As when the machine loses its power."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        """As an operator does."""
        self._server.__exit__()


@dataclass(frozen=True)
class Cluster:
    """What runs: `front` is nginx's port; `token` is that of an owner, ada."""

    processes: Sequence[Process]
    postgresql: Server
    redis: Valkey
    front: int
    token: str

    @property
    def ports(self) -> list[int]:
        """Where each process listens by itself."""
        return [process.port for process in self.processes]


@contextlib.contextmanager
def cluster(folder: Path, number: int, **settings: str) -> Iterator[Cluster]:
    """So many processes, until the end of the block."""
    with Server() as postgresql, Valkey() as redis, contextlib.ExitStack() as stack:
        shared = {
            "DATABASE_URL": postgresql.url, "REDIS_URL": redis.url, "MEDIA_DIR": str(folder / "media"),
            "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz", "TRUSTED_PROXIES": "127.0.0.1",
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "RATE_LIMIT": "1000000/minute", "LOGIN_RATE_LIMIT_PER_ADDRESS": "10000/minute",
            "LOGIN_RATE_LIMIT_PER_ACCOUNT": "10000/minute",
            **settings,
        }  # fmt: skip
        options = ("--role", "owner", "--password-stdin")
        made = blog(folder, "user", "create", NAME, "ada@example.org", *options, stdin=PASSWORD, **shared)
        assert made.returncode == 0, made.stderr
        token = blog(folder, "token", "create", NAME, **shared).stdout.strip()
        processes = [Process(folder / str(one), shared) for one in range(number)]
        for process in processes:
            process.start()
            stack.callback(process.stop)
        front = stack.enter_context(proxy("nginx", folder / "proxy", [process.port for process in processes]))
        yield Cluster(processes, postgresql, redis, front, token)
