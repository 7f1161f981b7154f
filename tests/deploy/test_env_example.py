"""`.env.example` matches the settings. `BLOG_UPDATE_DOCS=1 pytest tests/deploy/test_env_example.py` rewrites it."""

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from blog.settings import Settings
from tests.support.lines import ROOT

PATH = ROOT / ".env.example"
HEAD = """\
# All settings of the blog with their defaults. Copy this file to `.env` in the directory where you start the blog, and change
# what you need. Environment variables take precedence. `blog serve` reports all invalid settings at once.
"""


def example() -> Iterator[str]:
    yield HEAD
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if name == "secret_key" or default in ((), None) else str(getattr(default, "value", default))
        yield textwrap.fill(field.description or "", 130, initial_indent="# ", subsequent_indent="# ")
        yield f"#{name.upper()}={shown.lower() if isinstance(default, bool) else shown}\n"


def test_example_has_the_default_of_each_setting() -> None:
    expected = "\n".join(example())
    if os.environ.get("BLOG_UPDATE_DOCS"):
        PATH.write_text(expected)
    assert PATH.read_text() == expected


def test_example_can_be_used_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "values").write_text("".join(line[1:] for line in PATH.read_text().splitlines(True) if line[:2] > "# "))
    used, default = (Settings(**{"_env_file": file}) for file in (tmp_path / "values", None))  # type: ignore[arg-type]
    assert used == default
