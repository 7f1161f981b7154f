"""nginx and Caddy in separate processes, with the files of `.deploy` except for addresses and directories."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.patience import seconds
from tests.support.serving import clean_environment, free_port, wait_until_up
from tests.support.tools import DEPLOY, tool

KINDS = ("nginx", "caddy")
_TEMP_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextlib.contextmanager
def proxy(kind: str, folder: Path, blogs: Sequence[int]) -> Iterator[int]:
    """Run a proxy in front of the blogs on these ports, and yield its port."""
    port = free_port()
    folder.mkdir()
    environment = clean_environment()
    if kind == "nginx":
        command = [tool("nginx"), "-e", "stderr", "-c", str(nginx_files(folder, blogs, port)), "-g", "daemon off;"]
    else:
        command = [tool("caddy"), "run", "--adapter", "caddyfile", "--config", str(DEPLOY / "caddy" / "Caddyfile")]
        environment |= {
            "SITE": f"http://127.0.0.1:{port}, http://blog.example.org:{port}",
            "UPSTREAMS": " ".join(f"127.0.0.1:{blog}" for blog in blogs),
            "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
            "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder),
        }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(seconds(30))


def nginx_files(folder: Path, blogs: Sequence[int], port: int) -> Path:
    """Copy the nginx configuration so that it works in `folder`, and return the path of the main file."""
    for path in (DEPLOY / "nginx").glob("*.conf"):
        (folder / path.name).write_text(path.read_text())
    (server,) = re.findall(r"^server app:8000 (.*;)$", (folder / "servers.conf").read_text(), re.MULTILINE)
    (folder / "servers.conf").write_text("".join(f"server 127.0.0.1:{blog} {server}\n" for blog in blogs))
    main = folder / "nginx.conf"
    text = main.read_text()
    for original, replacement in (
        ("pid /run/nginx.pid;", f"pid {folder}/pid;" + (" user root;" if os.geteuid() == 0 else "")),
        ("worker_processes auto;", "worker_processes 1;"),
        ("listen 80 default_server;", f"listen 127.0.0.1:{port} default_server;"),
        ("/var/cache/nginx/blog", f"{folder}/cache"),
        ("/dev/stdout", f"{folder}/access"),
        ("http {", "http {" + "".join(f" {name}_temp_path {folder}/{name};" for name in _TEMP_PATHS)),
    ):
        assert text.count(original) == 1, original
        text = text.replace(original, replacement)
    main.write_text(text)
    return main
