"""Programs that know what is right in a file of `.deploy`: from Debian, or from the environment of `.deploy/checks.txt`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.lines import ROOT

DEPLOY = ROOT / ".deploy"


def tool(name: str) -> str:
    """Where it is; the test is skipped without it."""
    places = (os.environ.get("BLOG_TEST_TOOLS", ""), os.environ["PATH"], "/usr/sbin")
    found = shutil.which(name, path=os.pathsep.join(filter(None, places)))
    if found is None:
        pytest.skip(f"no {name}: see .deploy/checks.txt and .ci/run")
    return found


def checked(*command: str | Path, folder: str = ".", **environment: str) -> str:
    """What it says, in both streams; it must be content."""
    done = subprocess.run(
        [str(part) for part in command], cwd=DEPLOY / folder, env=os.environ | environment, timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
