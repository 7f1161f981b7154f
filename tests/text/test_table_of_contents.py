"""Tables of contents, from rendered HTML."""

import time
from collections.abc import Iterable

import pytest

from blog.text.markdown import render
from blog.text.table_of_contents import MIN_HEADINGS, MIN_WORDS, Heading, list_headings


def outline(headings: Iterable[Heading]) -> list[tuple[str, list[str]]]:
    return [(heading.text, [child.text for child in heading.children]) for heading in headings]


def test_headings_of_two_levels_become_a_tree() -> None:
    html = render("## One\n\n### Part `a`\n\n#### Deeper\n\n### Part *b* &amp; c\n\n## Two\n\n## One")
    headings = list_headings(html, MIN_WORDS)
    assert outline(headings) == [("One", ["Part a", "Part b & c"]), ("Two", []), ("One", [])]
    for heading in (*headings, *headings[0].children):
        assert f' id="{heading.id}"' in html
    assert [heading.id for heading in headings] == ["c-one", "c-two", "c-one-2"]


def test_short_posts_and_posts_with_few_headings_have_none() -> None:
    html = render("# A\n\n# B\n\n# C")
    assert list_headings(html, MIN_WORDS - 1) == ()
    assert len(list_headings(html, MIN_WORDS)) == MIN_HEADINGS
    assert list_headings(render("# A\n\n# B\n\ntext"), MIN_WORDS) == ()


def test_levels_can_start_anywhere() -> None:
    assert outline(list_headings(render("#### A\n\n##### a\n\n#### B"), MIN_WORDS)) == [("A", ["a"]), ("B", [])]
    assert outline(list_headings(render("### early\n\n## A\n\n### a"), MIN_WORDS)) == [("early", []), ("A", ["a"])]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('<h2 title="a > b">A</h2>\n\n<h2 id=x title=\'"\'>B</h2>\n\n## C', ["B", "C"]),
        ("## A[^1]\n\n## ![x](y.png)\n\n## <b>B</b>\n\n## C\n\n[^1]: note", ["A", "B", "C"]),
        ("## 日本\n\n## <script>alert(1)</script>C\n\n## &lt;b&gt;", ["日本", "C", "<b>"]),
        ("```\n<h2 id='a'>no</h2>\n```\n\n## A\n\n## B\n\n## C", ["A", "B", "C"]),
    ],
)
def test_headings_of_raw_html_and_markdown(source: str, texts: list[str]) -> None:
    headings = list_headings(render(source), MIN_WORDS)
    assert [heading.text for heading in headings] == (texts if len(texts) >= MIN_HEADINGS else [])


def test_escaped_markup_is_text() -> None:
    assert list_headings(render("## `<b>`\n\n## B\n\n## C"), MIN_WORDS)[0] == Heading("c-b", "<b>")


def test_hostile_headings_take_bounded_time() -> None:
    started = time.perf_counter()
    list_headings("<h2 " * 20_000 + '<h2 id="a">' * 2_000, MIN_WORDS)
    list_headings('<h2 a="' * 20_000, MIN_WORDS)
    assert time.perf_counter() - started < 2
