"""The limit of markup in a text, and the time that rendering takes below it."""

import time

import pytest
from pydantic import TypeAdapter, ValidationError

from blog.schemas.fields import Content
from blog.text.markdown import render
from blog.text.markup import MAX_MARKUP, count_markup
from tests.benchmarks.worst_cases import MARKDOWN

CONTENT: TypeAdapter[str] = TypeAdapter(Content)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("plain words", 0), ("a@example.com", 5),
        ("a\nb\n", 2), ("*a* **b**", 6), ("[a](https://example.com)", 7), ("# a\n", 2), ("|a|\n", 3),
        ("```\n*a*\n```\n", 11), ("~~~ python\n[[[[\n~~~", 10), ("```\n" + "*" * 500, 10),
        ("a\n```\n*\n```\n\n```\n*\n```\n*", 25),
        ("a ``` b\n*", 5),
        ("```a`b\n**", 7), ("~~~\r~~~\r**", 13), ("```\n```a\n*\n```\n**", 13),
        ("- x\n  ```\n\n**\n\n```\n", 20), ("<!--\n\n```\n-->\n**\n```\n", 17), ("````\n```\n**\n````\n", 11),
    ],
)  # fmt: skip
def test_markup_is_counted_outside_of_code(text: str, count: int) -> None:
    assert count_markup(text) == count


def test_text_with_too_much_markup_is_rejected_with_both_numbers() -> None:
    assert CONTENT.validate_python("*" * MAX_MARKUP)
    assert f"{MAX_MARKUP:,} line ends" in CONTENT.json_schema()["description"]
    with pytest.raises(ValidationError, match=rf"{MAX_MARKUP + 1} line ends and special characters, at most {MAX_MARKUP}"):
        CONTENT.validate_python("*" * (MAX_MARKUP + 1))
    assert CONTENT.validate_python("```\n" + "*" * 100_000), "code is no markup"


@pytest.mark.parametrize("name", MARKDOWN)
def test_allowed_text_renders_in_little_time(name: str) -> None:
    """Without the limits, 256 KiB of code blocks took 5 s, of brackets 3.3 s, of headings 3.1 s and of tables 2.9 s."""
    CONTENT.validate_python(MARKDOWN[name])
    started = time.process_time()
    render(MARKDOWN[name])
    assert time.process_time() - started < 5


def test_code_blocks_of_a_text_share_one_limit() -> None:
    block = "```python\n" + "x = 1\n" * 2_000 + "```\n"
    assert [part.count("<span") > 0 for part in render(block * 3).split("</pre>")[:3]] == [True, True, False]
