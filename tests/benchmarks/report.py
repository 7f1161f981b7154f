"""Publishing of benchmark results: sections of Markdown pages, and the description of the machine."""

import datetime as dt
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from tests.support.lines import ROOT

README = ROOT / "README.md"
FOLDER = ROOT / ".github"
PERFORMANCE = FOLDER / "PERFORMANCE.md"


def publish(page: Path, name: str, text: str) -> None:
    """Replace the text of the named section of a page. Raises LookupError if there is none."""
    before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not (begin and end):
        raise LookupError(f"{page} has no section {name}")
    page.write_text(f"{before}{begin}{text}\n{end}{after}")


def machine() -> str:
    """Return the date, the processor and the version of Python."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = cpu[1] if cpu else platform.machine()
    return f"{dt.datetime.now(dt.UTC):%d %B %Y}, {os.cpu_count()} cores of {name}, Python {platform.python_version()}"


def versions(*packages: str) -> dict[str, str]:
    """Return the installed version of each package."""
    return {package: version(package) for package in packages}
