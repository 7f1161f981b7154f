"""`blog dev`: sample content, restarts after a change of code or templates, tracebacks in the browser."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import blog
from blog.framework.templating.resources import resource_dir
from tests.support.serving import clean_environment, free_port, wait_for_line, wait_until_up

FAULT = """

async def _fail(*_arguments: object) -> None:
    raise ZeroDivisionError("shown to the developer")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the application, with files that can be changed."""
    shutil.copytree(Path(blog.__file__).parent, tmp_path / "blog", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("templates", "static"):
        shutil.copytree(resource_dir(name), tmp_path / name)
    return tmp_path


@pytest.fixture
def server(checkout: Path) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    """The URL, the log and the process of `blog dev`."""
    port, log = free_port(), checkout / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "blog", "dev", "--port", str(port)],
            cwd=checkout,
            env=clean_environment() | {"TMPDIR": str(checkout)},
            stdout=file,
            stderr=file,
        )
    try:
        wait_until_up(port, process)
        yield f"http://127.0.0.1:{port}", log, process
    finally:
        process.terminate()
        process.wait(30)
    assert list(checkout.glob("blog-sample-*")) == [], "the sample content is deleted"


def poll(url: str, is_expected: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Read the page until it is as expected; the server is away while it restarts."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if is_expected(response := httpx.get(url, timeout=60)):
                return response
        except httpx.TransportError:
            pass
        time.sleep(0.05)  # between two requests
    raise AssertionError("the server does not show the change")


def test_changes_of_templates_and_code_are_shown(server: tuple[str, Path, subprocess.Popen[bytes]], checkout: Path) -> None:
    url, log, process = server
    assert "Welcome" in poll(url, lambda response: response.status_code == 200).text
    assert re.fullmatch(r"\S{8,}", wait_for_line(log, process, r"sign in as demo with the password (\S+)\. "))
    layout, reading = checkout / "templates" / "layout.html", checkout / "blog" / "web" / "posts" / "reading.py"
    layout.write_text(layout.read_text().replace("<body", "<!-- a new line in the template --><body", 1))
    poll(url, lambda response: "a new line in the template" in response.text)
    reading.write_text(reading.read_text().replace("post_lists.front_page(", "_fail(") + FAULT)
    failed = poll(url, lambda response: response.status_code == 500)
    assert "ZeroDivisionError" in failed.text
    assert "shown to the developer" in failed.text
    assert "content-security-policy" not in failed.headers, "the traceback page has inline styles"
    assert "content-security-policy" in httpx.get(f"{url}/robots.txt").headers
