"""The servers of a benchmark: the blog, its peers and nginx, pinned to one core, of which one runs at a time."""

import contextlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from tests.benchmarks.population import environment
from tests.benchmarks.wrk import SERVER_CORE
from tests.support.lines import ROOT
from tests.support.serving import free_port, wait_until_up

_SETTLE_SECONDS = 0.3  # for writes that wrk has left behind: a paused server would keep the write lock of the database
_NGINX_SETS = (b"content-length", b"date", b"server", b"etag", b"last-modified")
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, header fields, body."""
_BLOG_COMMANDS: Mapping[str, Sequence[str]] = {
    "blog": ("-m", "blog", "serve", "--port"),
    "blog-uncached": ("-m", "blog", "serve", "--port"),
    "blog-uvicorn": ("-m", "uvicorn", "blog.asgi:app", "--no-access-log", "--port"),
}
_SETTINGS: Mapping[str, Mapping[str, str]] = {"blog-uncached": {"MAX_CACHE_BYTES": "0"}}
_NGINX = """{user} worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; open_file_cache max=100; types {{ }}
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; {locations} }}
}}
"""


class Servers:
    """Servers of one folder. Each is started when it is first needed, and paused while another is measured."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[tuple[int, int]]:
        """Return process id and port of a server while all others are paused."""
        process, port = self.start(name)
        with self.all_paused(but=name):
            yield process.pid, port

    @contextlib.contextmanager
    def all_paused(self, but: str = "") -> Iterator[None]:
        """Pause all servers, or all but one, during the block."""
        others = [process for name, (process, _) in self._running.items() if name != but]
        time.sleep(_SETTLE_SECONDS)
        for other in others:
            other.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for other in others:
                other.send_signal(signal.SIGCONT)

    def start(self, name: str) -> tuple[subprocess.Popen[bytes], int]:
        """Return process and port of a server, which is started at the first call."""
        if name not in self._running:
            self._running[name] = self._start(name)
        return self._running[name]

    def startup_seconds(self) -> float:
        """Start another blog, stop it, and return the seconds from the command to its first response."""
        started = time.perf_counter()
        process, _ = self._start("blog")
        took = time.perf_counter() - started
        process.terminate()
        process.wait(30)
        return took

    def memory(self, name: str) -> float:
        """Return the resident memory of a server in MiB."""
        status = Path(f"/proc/{self.start(name)[0].pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    def record(self, paths: Sequence[str], path_304: str) -> str:
        """Store the blog's cached responses for the peers that send the same bytes. Return the ETag of `path_304`."""
        answers: dict[str, Answer] = {}
        _, port = self.start("blog")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Accept-Encoding": "identity"}) as client:
            for path in paths:
                response = [client.get(path).raise_for_status() for _ in range(2)][1]
                assert response.headers["cache-status"] == "blog; hit", path
                answers[path] = (200, list(response.headers.raw), response.content)
            etag = client.get(path_304).headers["etag"]
            not_modified = client.get(path_304, headers={"If-None-Match": etag})
            assert not_modified.status_code == 304
            answers["/304"] = (304, list(not_modified.headers.raw), b"")
        (self._folder / "answers.pickle").write_bytes(pickle.dumps(answers))
        return str(etag)

    def _start(self, name: str) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        variables = environment(self._folder, PYTHONPATH=str(ROOT), **_SETTINGS.get(name, {}))
        command = ["taskset", "-c", str(SERVER_CORE), *self._command(name, port)]
        process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, env=variables)
        self._stack.callback(process.wait, 30)
        self._stack.callback(process.terminate)
        wait_until_up(port, process)
        return process, port

    def _command(self, name: str, port: int) -> list[str]:
        if name == "nginx":
            config = self._folder / "nginx.conf"
            config.write_text(self._nginx_config(port))
            return ["nginx", "-c", str(config), "-e", str(self._folder / "nginx.log")]
        if name in _BLOG_COMMANDS:
            return [sys.executable, *_BLOG_COMMANDS[name], str(port)]
        return [sys.executable, "-m", "tests.benchmarks.peers", name, str(port), str(self._folder)]

    def _nginx_config(self, port: int) -> str:
        answers: dict[str, Answer] = pickle.loads((self._folder / "answers.pickle").read_bytes())  # noqa: S301 (our own file)
        locations = []
        for number, (path, (status, headers, body)) in enumerate(answers.items()):
            file = self._folder / f"nginx-{number}.body"
            file.write_bytes(body)
            own = [(key, value) for key, value in headers if key.lower() not in _NGINX_SETS]
            fields = " ".join(f"add_header {key.decode()} {json.dumps(value.decode())};" for key, value in own)
            sent = "return 304;" if status == 304 else f"root {self._folder}; try_files /{file.name} =404;"
            locations.append(f"location = {path} {{ {fields} {sent} }}")
        user = "user root;" if os.geteuid() == 0 else ""
        return _NGINX.format(user=user, folder=self._folder, port=port, locations=" ".join(locations))
