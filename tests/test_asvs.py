"""`.docs/asvs.md` covers every requirement of ASVS 5.0.0 and names tests and headings that exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.lines import ROOT

TABLE = ROOT / ".docs" / "asvs.md"
# The levels of the requirements of each section, in their order: 2.3 has five, of which the last is for level 3.
LEVELS = """
1.1 22  1.2 1111122223  1.3 112222222223  1.4 222  1.5 123  2.1 122  2.2 112  2.3 12223  2.4 23  3.1 3  3.2 113  3.3 12223
3.4 11222233  3.5 11122333  3.6 3  3.7 22333  4.1 12233  4.2 23333  4.3 22  4.4 1222  5.1 2  5.2 112333  5.3 113  5.4 222
6.1 122  6.2 111111112222  6.3 11223333  6.4 112233  6.5 22222333  6.6 2223  6.7 33  6.8 2222  7.1 222  7.2 1111  7.3 22
7.4 11222  7.5 223  7.6 22  8.1 1233  8.2 1123  8.3 133  8.4 23  9.1 111  9.2 1222  10.1 22  10.2 223  10.3 22223
10.4 1111122222233333  10.5 22222  10.6 22  10.7 222  11.1 2233  11.2 22233  11.3 11233  11.4 1222  11.5 23  11.6 23  11.7 33
12.1 12233  12.2 11  12.3 22223  13.1 2333  13.2 222223  13.3 2233  13.4 1222233  14.1 22  14.2 12223333  14.3 122
15.1 12233  15.2 12233  15.3 1222222  15.4 3333  16.1 2  16.2 22222  16.3 2222  16.4 222  16.5 2223  17.1 23  17.2 22223333
17.3 22
"""
NUMBER = r"\d+\.\d+\.\d+"
ROW = re.compile(rf"\| ({NUMBER}) \| ([12]) \| ([^|]+) \| ([^|]+) \|")


def standard() -> dict[str, str]:
    """Return the level of each requirement of levels 1 and 2."""
    sections = re.findall(r"(\d+\.\d+) (\d+)", LEVELS)
    numbered = ((f"{section}.{number}", level) for section, levels in sections for number, level in enumerate(levels, 1))
    return {number: level for number, level in numbered if level != "3"}


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall(TABLE.read_text(encoding="utf-8"))


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def headings(path: str) -> Iterator[str]:
    """Return the anchors of the headings, as GitHub generates them."""
    for heading in re.findall(r"^#+ (.+)$", (TABLE.parent / path).read_text(encoding="utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_requirement_is_listed_once_with_its_level() -> None:
    table = [(number, level) for number, level, *_ in rows()]
    rest = TABLE.read_text(encoding="utf-8").partition("## What does not apply")[2]
    elsewhere = [(number, standard().get(number)) for number in re.findall(NUMBER, rest)]
    assert sorted(table + elsewhere) == sorted(standard().items())
    assert len(standard()) == 253, "as many as the standard has"


def test_every_line_of_the_tables_can_be_parsed() -> None:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if re.match(rf"\| {NUMBER} \|", line)]
    assert len([line for line in lines if ROW.fullmatch(line)]) == len(rows()) > 180


@pytest.mark.parametrize(("number", "level", "asked", "shown"), rows(), ids=lambda value: value if "." in value else "")
def test_named_tests_and_headings_exist(number: str, level: str, asked: str, shown: str) -> None:
    tests = re.findall(r"(tests/[\w/]+\.py)::(\w+)", shown)
    links = re.findall(r"\]\(([\w./]+)#([\w-]+)\)", shown)
    assert tests or links or shown.startswith("**No**: "), "it is shown by something, or the reason is given"
    assert shown.count("tests/") == len(tests), "each test is named as file::test"
    for path, name in tests:
        assert name in names_in(path), f"{path} has no {name}"
    for path, heading in links:
        assert heading in set(headings(path)), f"{path} has no #{heading}"
