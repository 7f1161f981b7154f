"""Programs that check the files of `.deploy`: from Debian, or from the environment of `.deploy/checks.txt`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.lines import ROOT
from tests.support.patience import seconds

DEPLOY = ROOT / ".deploy"


def tool(name: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    places = (os.environ.get("BLOG_TEST_TOOLS", ""), os.environ["PATH"], "/usr/sbin")
    path = shutil.which(name, path=os.pathsep.join(filter(None, places)))
    if path is None:
        pytest.skip(f"{name} is not installed. See .deploy/checks.txt and .ci/run.")
    return path


def checked(*command: str | Path, folder: str = ".", **environment: str) -> str:
    """Run a check that must succeed, and return its standard output and standard error."""
    done = subprocess.run(
        [str(part) for part in command], cwd=DEPLOY / folder, env=os.environ | environment, timeout=seconds(60),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
