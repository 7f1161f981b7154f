"""The tables of the README are the code's. `BLOG_UPDATE_README=1 pytest tests/test_readme.py` writes them anew."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import blog
from blog.app import routes
from blog.http.route_table import rows
from blog.settings import Settings

ROOT = Path(blog.__file__).parent.parent
README = ROOT / "README.md"


def settings_table() -> Iterator[str]:
    yield "| variable | unset | what it is |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if name == "secret_key" or default == () else str(getattr(default, "value", default)).lower()
        if name in ("project_name", "sqlite_synchronous"):
            shown = str(getattr(default, "value", default))
        yield f"| `{name.upper()}` | {f'`{shown}`' if shown else ''} | {field.description} |"


def routes_table() -> Iterator[str]:
    yield "| path | methods | name |"
    yield "|---|---|---|"
    for methods, path, name in rows(routes):
        yield f"| `{path}` | {methods} | `{name}` |"


def by_hand_table() -> Iterator[str]:
    yield "| FastAPI has | here |"
    yield "|---|---|"
    for path in sorted((ROOT / "blog").rglob("*.py")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if match := re.match(r"\s*# By hand: ([^.]+)\. (.*)", line):
                follow = [text.strip(" #") for text in lines[number + 1 :]]
                comment = match[2]
                for text, raw in zip(follow, lines[number + 1 :], strict=True):
                    if not raw.strip().startswith("#"):
                        break
                    comment += " " + text
                where = path.relative_to(ROOT).as_posix()
                yield f"| {match[1]} | [{where}]({where}#L{number + 1}): {comment} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {"settings": settings_table, "routes": routes_table, "by hand": by_hand_table}


@pytest.mark.parametrize("name", TABLES)
def test_table_is_the_codes(name):
    table = "\n".join(TABLES[name]())
    text = README.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    written = pattern.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)
    if os.environ.get("BLOG_UPDATE_README"):
        README.write_text(written)
    assert written == text, "the README is not true any more: run BLOG_UPDATE_README=1 pytest tests/test_readme.py"


def test_files_that_the_readme_names_exist():
    for target in re.findall(r"\]\(([^)#]+)", README.read_text()):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_visible_top_level_is_the_agreed_one():
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    made_by_running = {"blog.db", "blog.db-wal", "blog.db-shm", "media", "build", "dist"}
    agreed = {"blog", "static", "templates", "tests", "pyproject.toml", "Procfile", "README.md"}
    assert {name for name in visible - made_by_running if not name.endswith(".egg-info")} == agreed
