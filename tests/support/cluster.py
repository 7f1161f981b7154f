"""Several processes of one blog behind nginx, with PostgreSQL and Redis. Each can be stopped and started again."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import seconds
from tests.support.postgres import Server
from tests.support.proxies import proxy
from tests.support.serving import blog, free_port, serving, wait_until_up
from tests.support.valkey import Valkey

NAME, PASSWORD = "ada", "a long enough one"


class Process:
    """One `blog serve` process."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        folder.mkdir()
        self.port = free_port()
        self._server = serving(folder, self.port, **settings)

    def start(self) -> None:
        """Start the server and return when it accepts connections."""
        self._process, self.log = self._server.__enter__()
        wait_until_up(self.port, self._process)

    def kill(self) -> None:
        """Kill the process, as in a power failure."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(seconds(10))

    def stop(self) -> None:
        """Stop the process with SIGTERM."""
        self._server.__exit__()


@dataclass(frozen=True)
class Cluster:
    """The running cluster: `front` is the port of nginx, `token` belongs to the owner ada."""

    processes: Sequence[Process]
    postgresql: Server
    redis: Valkey
    front: int
    token: str

    @property
    def ports(self) -> list[int]:
        """Return the port of each process."""
        return [process.port for process in self.processes]


@contextlib.contextmanager
def cluster(folder: Path, number: int, **settings: str) -> Iterator[Cluster]:
    """Run `number` processes with `settings` until the end of the block."""
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
        created = blog(folder, "user", "create", NAME, "ada@example.org", *options, stdin=PASSWORD, **shared)
        assert created.returncode == 0, created.stderr
        token = blog(folder, "token", "create", NAME, **shared).stdout.strip()
        processes = [Process(folder / str(one), shared) for one in range(number)]
        for process in processes:
            process.start()
            stack.callback(process.stop)
        front = stack.enter_context(proxy("nginx", folder / "proxy", [process.port for process in processes]))
        yield Cluster(processes, postgresql, redis, front, token)
