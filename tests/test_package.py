"""The wheel contains templates and static files, and the blog runs from it as from a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx

import blog
from tests.support.serving import free_port, serving, wait_until_up

ROOT = Path(blog.__file__).parent.parent


def test_blog_runs_from_its_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    names = {path.name for path in unpacked.iterdir()}
    assert names == {"blog", next(name for name in names if name.endswith(".dist-info"))}, "no other top-level entry"
    guide = unpacked / "blog" / "domain" / "posts" / "writing_guide.md"
    assert guide.read_text("utf-8") == (ROOT / "blog" / "domain" / "posts" / "writing_guide.md").read_text("utf-8")
    port = free_port()
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site", port, "--demo", PYTHONPATH=str(unpacked)) as (process, log):
        wait_until_up(port, process)
        page = httpx.get(f"http://127.0.0.1:{port}/")
        assert "Welcome" in page.text
        style = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
        answer = httpx.get(f"http://127.0.0.1:{port}{style}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    imported = subprocess.run(
        [sys.executable, "-c", "import blog; print(blog.__file__)"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(unpacked)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert imported.strip() == str(unpacked / "blog" / "__init__.py"), "the package in the wheel ran"
    assert "Traceback" not in log.read_text()
