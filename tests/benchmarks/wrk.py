"""Load on a server with wrk, and the CPU time that the server spends on it."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

SERVER_CORE, CLIENT_CORE = 0, 1
SATURATED = 0.95
"""Share of a core from which on the server, and not the client, limits the throughput."""
_SCRIPT = Path(__file__).with_suffix(".lua")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Request:
    """A request that wrk repeats. `{}` in path and body becomes a number that differs each time: 1 to `count`, or unlimited."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    count: int = 0

    def check(self, port: int) -> None:
        """Send the request once, numbered 0 or 1. Raises AssertionError if the status is not the expected one."""
        number = "1" if self.count else "0"
        url = f"http://127.0.0.1:{port}{self.path.replace('{}', number)}"
        body = self.body.replace(b"{}", number.encode())
        response = httpx2.request(self.method, url, headers=dict(self.headers), content=body, timeout=30)
        assert response.status_code == self.status, f"{self.method} {self.path}: {response.status_code} {response.text[:300]}"


@dataclass(frozen=True)
class Measurement:
    """One run of wrk against one server. CPU times are those of the server and its child processes."""

    user_us: float
    system_us: float
    core_share: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float

    @property
    def cpu_us(self) -> float:
        """Return the CPU time per request in microseconds."""
        return self.user_us + self.system_us


def require() -> None:
    """Raise SystemExit if this machine cannot run the benchmarks."""
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing. Install the package {package}, for example: apt-get install {package}")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("Server and client need a core each; this machine has one.")


def measure(pid: int, port: int, request: Request, *, connections: int = 32, seconds: float = 2) -> Measurement:
    """Repeat a request for some seconds. Raises AssertionError if a response failed (a status from 400, or none at all)."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(request.body)
        body.flush()
        pinned = ["taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout=30s"]
        script = ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--"]
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        values = [request.method, request.path, str(request.count), body.name if request.body else "", *headers]
        user, system = _cpu_seconds(pid)
        output = subprocess.run([*pinned, *script, *values], capture_output=True, text=True, check=True).stdout
        user_after, system_after = _cpu_seconds(pid)
    result = json.loads(output.splitlines()[-1])
    took, requests = result["microseconds"] / 1e6, result["requests"]
    assert not result["failed"], f"{request.path}: {result['failed']} of {requests} requests failed"
    assert requests, f"port {port}, {request.method} {request.path}: no response within {seconds:g} s"
    return Measurement(
        user_us=(user_after - user) / requests * 1e6,
        system_us=(system_after - system) / requests * 1e6,
        core_share=(user_after - user + system_after - system) / took,
        requests_per_second=requests / took,
        p50_ms=result["p50_us"] / 1000,
        p99_ms=result["p99_us"] / 1000,
    )


def _cpu_seconds(pid: int) -> tuple[float, float]:
    """Return the user and system time of a process and its children so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]) / _TICKS_PER_SECOND, int(fields[12]) / _TICKS_PER_SECOND
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        child_user, child_system = _cpu_seconds(int(child))
        user, system = user + child_user, system + child_system
    return user, system
