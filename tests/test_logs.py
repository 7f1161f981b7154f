"""Log lines: what is in them, and what never is."""

import json
import subprocess
import sys

import pytest

CRASH = """
import structlog
from blog.logs import configure_logs
from blog.settings import Settings

configure_logs(Settings(_env_file=None, log_format="{log_format}"))

def sign_in(password):
    return 1 / 0

try:
    sign_in("hunter2" + "x")
except ZeroDivisionError:
    structlog.stdlib.get_logger("blog").exception("crashed", path="/login")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_crash_is_logged_without_the_values_of_variables(tmp_path, log_format):
    program = [sys.executable, "-c", CRASH.format(log_format=log_format)]
    log = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stderr
    assert "ZeroDivisionError" in log
    assert "/login" in log
    assert "hunter2x" not in log
    if log_format == "json":
        line = json.loads(log)
        assert (line["event"], line["level"], line["logger"]) == ("crashed", "error", "blog")
        assert line["timestamp"].endswith("Z")
