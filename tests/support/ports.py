"""Free TCP ports for servers in processes of their own."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below the ephemeral ports of Linux (32768 and up): the kernel gives none of these to an outgoing connection.
_PORTS = range(20_000, 32_000)
_locks: dict[int, int] = {}


def free_port() -> int:
    """Return a port on 127.0.0.1 that no other test gets before this process ends.

    The port is not bound, so that a server can bind it. A lock on a file reserves it: workers and other runs skip it.
    """
    folder = Path(tempfile.gettempdir(), "blog-test-ports")
    folder.mkdir(exist_ok=True)
    while True:
        port = random.choice(_PORTS)  # noqa: S311 (no secret)
        if port not in _locks and _is_free(port) and _reserve(port, folder / str(port)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _reserve(port: int, path: Path) -> bool:
    lock = os.open(path, os.O_CREAT | os.O_WRONLY, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _locks[port] = lock  # open until the process ends: closing it would release the lock
    return True
