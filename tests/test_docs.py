"""The tables in README and .docs match the code. `BLOG_UPDATE_DOCS=1 pytest tests/test_docs.py` rewrites them."""

import os
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from blog.app import routes
from blog.framework.urls.route_table import rows
from blog.settings import Settings
from tests.support import lines
from tests.support.lines import ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / ".docs").rglob("*.md")), *sorted((ROOT / ".github").glob("[A-Z]*.md"))]
MAX_README_LINES = 200


def settings_table() -> Iterator[str]:
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if name == "secret_key" or default in ((), None) else str(getattr(default, "value", default)).lower()
        if name in ("project_name", "sqlite_synchronous"):
            shown = str(getattr(default, "value", default))
        yield f"| `{name.upper()}` | {f'`{shown}`' if shown else ''} | {field.description} |"


def routes_table() -> Iterator[str]:
    yield "| path | methods | name |"
    yield "|---|---|---|"
    for methods, path, name in rows(routes):
        yield f"| `{path}` | {methods} | `{name}` |"


class Row(NamedTuple):
    """Gains and costs of own code; `also`: code in other places that is counted with it."""

    gained: str
    given_up: str
    also: tuple[str, ...] = ()


PARSING, PROBLEMS = "blog/framework/request/parsing.py", "blog/framework/response/problems.py"
LEDGER = {
    "APIRouter": Row(
        "a tree that is searched by prefix; each interface is an application with its own error handlers",
        "tags, dependencies and prefixes declared once for a group",
        ("blog/api/routes.py:routes",),
    ),
    "OpenAPI and docs page": Row(
        "headers, errors and examples in the document; a page that loads nothing from other hosts",
        "a document derived from the signature: here tests compare it with the responses",
        (
            "blog/api/openapi.py",
            "blog/api/openapi_components.py",
            "blog/api/docs.py",
            "blog/api/docs_page.py",
            "blog/framework/endpoints/openapi_operations.py",
            "blog/framework/response/cacheable.py",
            "blog/schemas/examples.py",
        ),
    ),
    "WebSocket parameters": Row("one function authenticates HTTP and WebSocket", "typed parameters of the handshake"),
    "background tasks": Row(
        "due work is a row in the database: it survives the process, and any worker does it",
        "sending an e-mail after the response in one line",
    ),
    "body parameters": Row(
        "separate errors for 400, 413, 415 and 422; no NaN, no lone surrogates, no string where a number belongs",
        "several models, or single members, as parameters of one function",
        (f"{PARSING}:with_body_limit", f"{PARSING}:decode_json", f"{PARSING}:field_errors", f"{PARSING}:_message"),
    ),
    "dependencies": Row(
        "calls that a reader and a type checker can follow, in an explicit order",
        "computing a shared part once per request automatically",
        (
            "blog/framework/request/context.py:require_user",
            "blog/framework/request/context.py:anonymous_context",
            "blog/framework/request/state.py:app_state",
        ),
    ),
    "dependencies with cleanup": Row("`async with` around the code that needs it", "clean-up declared with a parameter"),
    "dependency_overrides": Row(
        "nothing to restore: two applications with different settings run in one process", "replacing one deep part"
    ),
    "form parameters": Row(
        "the form is shown again with the typed values and a message at each field", "a declaration of one line"
    ),
    "header parameters": Row("lists of tags, weak tags and `*` as in RFC 9110", "the header in the document automatically"),
    "path parameters": Row("a path that is not an id is 404; a post has one address", "a message that explains why"),
    "per-router handlers": Row(
        "API errors are JSON and page errors are HTML, without guessing from `Accept`", "one place for all handlers"
    ),
    "query parameters": Row("unknown and repeated names are refused", "nothing: both accept a model", (f"{PARSING}:validate",)),
    "response_model": Row(
        "one serialisation, no second validation of our own objects", "a filter for an endpoint that returns too much"
    ),
    "security schemes": Row(
        "a wrong scheme is 401, not anonymous; cookie and token in one place",
        "a sign-in button on the docs page automatically",
        (
            "blog/framework/identity/authentication.py:authenticate_bearer",
            "blog/framework/identity/authentication.py:current_actor",
            "blog/middleware/authentication.py:AuthenticationMiddleware",
        ),
    ),
    "the 422 body": Row(
        "RFC 9457 with the correlation id, in Pydantic's form; a refused password is never returned",
        "the form that FastAPI's clients know",
        (f"{PROBLEMS}:on_blog_error", f"{PROBLEMS}:_field_errors", f"{PROBLEMS}:_with_source"),
    ),
}
OURS = (
    "blog/api/posts.py:PostList", "blog/api/posts.py:PostDetail", "blog/api/posts.py:post_response",
    "blog/api/posts.py:post_list_response",
    "blog/api/posts.py:_validators", "blog/api/users.py:UserList", "blog/api/users.py:UserDetail",
    "blog/api/tokens.py:TokenList.post",
)  # fmt: skip
TWIN = (
    "list_posts",
    "create_post",
    "read_post",
    "replace_post",
    "edit_post",
    "delete_post",
    "create_user",
    "read_user",
    "create_token",
)


def by_hand() -> Iterator[tuple[str, str, int]]:
    """Return name, path and line of every `# By hand:` comment."""
    for path in sorted((ROOT / "blog").rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := re.match(r"\s*# By hand: ([^.]+)\. \S", line):
                yield match[1], path.relative_to(ROOT).as_posix(), number


def code_of(name: str, path: str, number: int) -> list[lines.Place]:
    """Return the code of a row of the table."""
    return [lines.around(path, number), *(lines.named(place) for place in LEDGER[name].also)]


def by_hand_table() -> Iterator[str]:
    yield "| FastAPI has | here | lines | gained | given up |"
    yield "|---|---|--:|---|---|"
    for name, path, number in sorted(by_hand()):
        row = LEDGER[name]
        size = lines.count(*code_of(name, path, number))
        yield f"| {name} | [{path}]({path}#L{number}) | {size} | {row.gained} | {row.given_up} |"


def twin_figures() -> Iterator[str]:
    ours = [lines.named(place) for place in OURS]
    declarations = [lines.decorated(path, "operation") for path, _ in ours]
    twin = [lines.named(f"tests/twin/app.py:{name}") for name in TWIN]
    ledger = [place for found in by_hand() for place in code_of(*found)]
    size, bare, all_of_it, kept = (
        lines.count(*twin), lines.count(*ours, without=declarations), lines.count(*ours), lines.count(*ledger)
    )  # fmt: skip
    yield from textwrap.wrap(
        f"The {len(TWIN)} endpoints of the twin are {size} lines of code; ours are {bare}, {all_of_it} with what they declare "
        f"for the OpenAPI document, and a row of the route table for each path. All that the table counts, for the whole blog, "
        f"is {kept} lines.",
        width=128,
    )


TABLES: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "settings": (".docs/configuration.md", settings_table),
    "routes": (".docs/routes.md", routes_table),
    "by hand": ("README.md", by_hand_table),
    "twin": ("README.md", twin_figures),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_matches_the_code(name: str) -> None:
    document, rows_of = TABLES[name]
    path, table = ROOT / document, "\n".join(rows_of())
    text = path.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    updated, count = pattern.subn(lambda match: f"{match[1]}{table}\n{match[2]}", text)
    assert count == 1, f"{document} must have the table {name!r} once"
    if os.environ.get("BLOG_UPDATE_DOCS"):
        path.write_text(updated)
    assert updated == text, f"{document} is out of date: run BLOG_UPDATE_DOCS=1 pytest tests/test_docs.py"


def test_every_text_of_the_ledger_is_used() -> None:
    assert {name for name, _, _ in by_hand()} == set(LEDGER)


def test_blank_lines_comments_and_docstrings_are_not_counted(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text(
        '"""Doc."""\n\nTABLE = {\n    # why\n    1: 2,  # yes\n\n}\n\n@made(\n    1\n)\ndef f(x):\n    """Doc.\n\n    More."""\n'
        "    # By hand: x. y\n    return x\n"
    )
    sizes = [lines.count(lines.named(f"{source}{name}")) for name in ("", ":TABLE", ":f")]
    assert sizes == [8, 3, 5]
    assert lines.around(str(source), 16) == lines.named(f"{source}:f")
    assert lines.count(lines.named(f"{source}:f"), without=[lines.decorated(str(source), "made")]) == 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_point_to_existing_files_and_headings(document: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)#?([^)]*)\)", document.read_text()):
        if target.startswith("http"):
            continue
        path = document.parent / target if target else document
        assert path.exists(), f"{document.name} links {target}"
        if heading and path.suffix == ".md":
            found = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}, f"{target}#{heading}"


def test_every_document_is_reachable_from_the_readme() -> None:
    seen, waiting = set[Path](), [README]
    while waiting:
        document = waiting.pop().resolve()
        if document in seen:
            continue
        seen.add(document)
        links = re.findall(r"\]\(([^)#\s]+\.md)", document.read_text())
        waiting += [document.parent / link for link in links if not link.startswith("http")]
    assert {path.relative_to(ROOT).as_posix() for path in DOCUMENTS if path.resolve() not in seen} == set()


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MAX_README_LINES


def test_visible_top_level_is_the_agreed_one() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    agreed = {"blog", "static", "templates", "tests", "pyproject.toml", "Procfile", "README.md"}
    assert {path.split("/")[0] for path in tracked if not path.startswith(".")} == agreed
