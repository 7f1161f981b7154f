"""Lighthouse on the home page and on a post: `python -m tests.benchmarks.lighthouse LIGHTHOUSE [--runs 5] [--publish]`.

LIGHTHOUSE is the program of the `lighthouse` package of npm; the environment variable CHROME_PATH may name the browser. The post
has a feature image, a gallery and an embedded video. Prints for each page, on a simulated phone and on a desktop, the medians of
the four scores, of the largest contentful paint, of the layout shift and of the transferred bytes, and the number of requests to
other hosts. `--publish` writes the table to .github/PERFORMANCE.md.
"""

import argparse
import json
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from PIL import Image

from tests.benchmarks.report import PERFORMANCE, machine, publish
from tests.support.pictures import encode
from tests.support.serving import blog, free_port, serving, wait_until_up

CATEGORIES: Final = ("performance", "accessibility", "best-practices", "seo")
DEVICES: Final = {"phone": [], "desktop": ["--preset=desktop"]}
_TIMEOUT: Final = 180
_ATTEMPTS: Final = 3  # now and then Chromium's trace has no beginning
_CHROME: Final = "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage"


def photograph(number: int) -> bytes:
    """Return a JPEG file of 2400 by 1600 pixels with soft colours, in place of a photograph."""
    spots = Image.effect_noise((24, 16), 90).resize((2400, 1600), Image.Resampling.BICUBIC)
    ramp = Image.linear_gradient("L").rotate(90 * number).resize((2400, 1600))
    return encode(Image.merge("RGB", (spots, ramp, Image.blend(spots, ramp, 0.5))), "JPEG", quality=85)


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a blog with 12 posts; yield its URL and the path of the post with images and a video."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    (folder / ".env").write_text(
        f"PUBLIC_URL={base}\nRATE_LIMIT=off\nENVIRONMENT=production\nSECRET_KEY={secrets.token_hex(32)}\n"
    )
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(folder, "token", "create", "ada").stdout.strip()
    with serving(folder, port) as (process, _log):
        wait_until_up(port, process)
        with httpx.Client(base_url=f"{base}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            yield base, _fill(client)


def _fill(client: httpx.Client) -> str:
    paths = []
    for number in range(4):
        files = {"file": (f"photograph-{number}.jpg", photograph(number), "image/jpeg")}
        paths.append(client.post("/media", files=files, data={"alt": "Soft colours"}).raise_for_status().json()["url"])
    text = "\n\n".join(f"Paragraph {number}. The loom weaves flowers and leaves, thread by thread." for number in range(8))
    for number in range(11):
        body = {"title": f"Notes on looms, part {number}", "content": text, "tags": ["looms"]}
        client.post("/posts", json=body).raise_for_status()
    gallery = "\n".join(f"![Soft colours]({path})" for path in paths[1:])
    visit: dict[str, Any] = {
        "title": "A visit to the weavers",
        "content": f"{text}\n\n{gallery}\n\nhttps://www.youtube.com/watch?v=aqz-KE-bpKQ\n\n{text}",
        "tags": ["looms"],
        "feature_image": {"url": paths[0], "alt": "Soft colours", "caption": "The first loom"},
    }
    return str(client.post("/posts", json=visit).raise_for_status().json()["url"])


def measure(program: str, url: str, options: list[str], folder: Path) -> dict[str, Any]:
    """Return the report of one run of Lighthouse. A failed run is repeated twice; then raises SystemExit."""
    target = folder / "report.json"
    command = [
        program, url, "--quiet", "--output=json", f"--output-path={target}", _CHROME,
        f"--only-categories={','.join(CATEGORIES)}", *options,
    ]  # fmt: skip
    for _ in range(_ATTEMPTS):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        if done.returncode == 0:
            break
    else:
        raise SystemExit(f"{program} failed: {done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(target.read_text())
    return report


def row(reports: list[dict[str, Any]]) -> str:
    """Return the cells of the medians of several reports, and the largest number of requests to other hosts."""

    def middle(values: list[float]) -> float:
        return statistics.median(values)

    def audit(name: str) -> float:
        return middle([report["audits"][name]["numericValue"] for report in reports])

    scores = [f"{middle([report['categories'][name]['score'] * 100 for report in reports]):.0f}" for name in CATEGORIES]
    others = max(sum(host != _host(report["finalDisplayedUrl"]) for host in _hosts(report)) for report in reports)
    size = middle([sum(item.get("transferSize") or 0 for item in _requests(report)) for report in reports])
    return " | ".join(
        [*scores, f"{audit('largest-contentful-paint') / 1000:.2f}", f"{audit('cumulative-layout-shift'):.3f}",
         f"{size / 1024:.0f}", str(others)]
    )  # fmt: skip


def _requests(report: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = report["audits"]["network-requests"]["details"]["items"]
    return [item for item in items if re.match("https?:", item["url"])]


def _hosts(report: dict[str, Any]) -> Iterator[str]:
    return (_host(item["url"]) for item in _requests(report))


def _host(url: str) -> str:
    return urlsplit(url).netloc


def failed_audits(report: dict[str, Any]) -> list[str]:
    """Return the names of the audits that lower a score."""
    counted = {each["id"] for name in CATEGORIES for each in report["categories"][name]["auditRefs"] if each["weight"]}
    return sorted(name for name in counted if (score := report["audits"][name]["score"]) is not None and score < 0.9)


def main(arguments: argparse.Namespace) -> None:
    """Measure both pages, and print or publish the table."""
    lines = ["| page | device | performance | accessibility | best practices | SEO | LCP, s | layout shift | KiB | other hosts |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as (base, post):
        for page, url in (("home", f"{base}/"), ("post", post)):
            for device, options in DEVICES.items():
                reports = []
                for number in range(arguments.runs):
                    print(f"\r{page}, {device}: run {number + 1} of {arguments.runs}\x1b[K", end="", file=sys.stderr, flush=True)
                    reports.append(measure(arguments.program, url, options, Path(name)))
                lines.append(f"| {page} | {device} | {row(reports)} |")
                if failed := {audit for report in reports for audit in failed_audits(report)}:
                    print(f"\r\x1b[K{page}, {device}: {', '.join(sorted(failed))}", file=sys.stderr)
    print("\r\x1b[K", end="", file=sys.stderr)
    footer = f"Lighthouse {reports[0]['lighthouseVersion']}; {machine()}; medians of {arguments.runs} runs."
    text = "\n".join([*lines, "", footer])
    print(text)
    if arguments.publish:
        publish(PERFORMANCE, "lighthouse", text)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("program", help="the program lighthouse")
    made.add_argument("--runs", type=int, default=5)
    made.add_argument("--publish", action="store_true", help="write the table to .github/PERFORMANCE.md")
    return made


if __name__ == "__main__":
    main(parser().parse_args())
