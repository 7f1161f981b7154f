"""The tables of the README are the code's. `BLOG_UPDATE_README=1 pytest tests/test_readme.py` writes them anew."""

import os
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from blog.app import routes
from blog.framework.urls.route_table import rows
from blog.settings import Settings
from tests.support import lines
from tests.support.lines import ROOT

README = ROOT / "README.md"


def settings_table() -> Iterator[str]:
    yield "| variable | unset | what it is |"
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
    """What it brings to do this by hand, what it costs; `also`: code elsewhere that belongs to it, for the count."""

    gained: str
    given_up: str
    also: tuple[str, ...] = ()


PARSING, PROBLEMS = "blog/framework/request/parsing.py", "blog/framework/response/problems.py"
LEDGER = {
    "APIRouter": Row(
        "a tree that is searched by prefix; an application, with its own handlers, for each door",
        "tags, dependencies and prefixes given once for a group",
        ("blog/api/routes.py:routes",),
    ),
    "OpenAPI and docs page": Row(
        "header fields, errors and examples in the document; a page that loads nothing from elsewhere",
        "that the document follows from the signature: tests hold it to the answers instead",
        (
            "blog/api/openapi.py",
            "blog/api/openapi_components.py",
            "blog/api/docs.py",
            "blog/framework/endpoints/openapi_operations.py",
            "blog/framework/response/cacheable.py",
            "blog/schemas/examples.py",
        ),
    ),
    "WebSocket parameters": Row("one function tells HTTP and WebSocket who asks", "typed parameters of the handshake"),
    "background tasks": Row(
        "what is due is in the database: it survives the process, and any worker does it",
        "an e-mail after the answer, in one line",
    ),
    "body parameters": Row(
        "400, 413, 415 and 422 are four things; no NaN, no half surrogates, no text for a number",
        "several models, or single members, as parameters of one function",
        (f"{PARSING}:bounded", f"{PARSING}:decode_json", f"{PARSING}:field_errors", f"{PARSING}:_message"),
    ),
    "dependencies": Row(
        "calls that a reader and a type checker can follow, in an order that is written down",
        "that a part is made once for each request, whoever asks for it",
        (
            "blog/framework/request/context.py:signed_in",
            "blog/framework/request/context.py:fresh_context",
            "blog/framework/request/state.py:services",
        ),
    ),
    "dependencies with cleanup": Row("`async with`, in the place where it holds", "clean-up declared beside a parameter"),
    "dependency_overrides": Row(
        "nothing to put back: two applications with two settings live in one process", "swapping one part deep inside"
    ),
    "form parameters": Row("the form comes back with what was typed and a message at each field", "a declaration of one line"),
    "header parameters": Row("lists of tags, weak tags and `*` as RFC 9110 has them", "the header in the document by itself"),
    "path parameters": Row("what is no id is no page (404); a post has one address", "a message that says why"),
    "per-router handlers": Row(
        "errors of the API are JSON, those of pages are HTML, and no `Accept` is guessed", "one place that has them all"
    ),
    "query parameters": Row("unknown and repeated names are refused", "nothing: both take a model", (f"{PARSING}:validate",)),
    "response_model": Row(
        "one serialisation, no second validation of our own objects", "a filter, should an endpoint return more than it may"
    ),
    "security schemes": Row(
        "a wrong scheme is 401 and not a stranger; cookie and token in one place",
        "a sign-in button on the docs page by itself",
        (
            "blog/framework/identity/authentication.py:bearer",
            "blog/framework/identity/authentication.py:identity_of",
            "blog/middleware/authentication.py:Authentication",
        ),
    ),
    "the 422 body": Row(
        "RFC 9457 with the correlation id, in Pydantic's form, and no refused password is sent back",
        "the form that FastAPI's clients know",
        (f"{PROBLEMS}:on_blog_error", f"{PROBLEMS}:_faults", f"{PROBLEMS}:_placed"),
    ),
}
OURS = (
    "blog/api/posts.py:PostList", "blog/api/posts.py:PostDetail", "blog/api/posts.py:one_post", "blog/api/posts.py:posts_page",
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
    """Name, path and line of every place in the source that begins with `# By hand:`."""
    for path in sorted((ROOT / "blog").rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := re.match(r"\s*# By hand: ([^.]+)\. \S", line):
                yield match[1], path.relative_to(ROOT).as_posix(), number


def code_of(name: str, path: str, number: int) -> list[lines.Place]:
    """The code of a row of the ledger."""
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


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings_table,
    "routes": routes_table,
    "by hand": by_hand_table,
    "twin": twin_figures,
}


@pytest.mark.parametrize("name", TABLES)
def test_table_is_the_codes(name: Any) -> None:
    table = "\n".join(TABLES[name]())
    text = README.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    written = pattern.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)
    if os.environ.get("BLOG_UPDATE_README"):
        README.write_text(written)
    assert written == text, "the README is not true any more: run BLOG_UPDATE_README=1 pytest tests/test_readme.py"


def test_every_text_of_the_ledger_has_its_place() -> None:
    assert {name for name, _, _ in by_hand()} == set(LEDGER)


def test_blank_lines_comments_and_docstrings_are_no_code(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text(
        '"""Doc."""\n\nTABLE = {\n    # why\n    1: 2,  # yes\n\n}\n\n@made(\n    1\n)\ndef f(x):\n    """Doc.\n\n    More."""\n'
        "    # By hand: x. y\n    return x\n"
    )
    sizes = [lines.count(lines.named(f"{source}{name}")) for name in ("", ":TABLE", ":f")]
    assert sizes == [8, 3, 5]
    assert lines.around(str(source), 16) == lines.named(f"{source}:f")
    assert lines.count(lines.named(f"{source}:f"), without=[lines.decorated(str(source), "made")]) == 2


def test_files_that_the_readme_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README.read_text()):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_visible_top_level_is_the_agreed_one() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    made_by_running = {"blog.db", "blog.db-wal", "blog.db-shm", "media", "build", "dist"}
    agreed = {"blog", "static", "templates", "tests", "pyproject.toml", "Procfile", "README.md"}
    assert {name for name in visible - made_by_running if not name.endswith(".egg-info")} == agreed
