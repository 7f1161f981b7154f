"""Tables of contents, from the HTML that readers get."""

import time

import pytest

from blog.text.markdown import render
from blog.text.table_of_contents import FEWEST, LONG, Entry, contents


def shape(entries):
    return [(entry.text, [part.text for part in entry.parts]) for entry in entries]


def test_headings_of_two_levels_become_a_tree_of_links():
    html = render("## One\n\n### Part `a`\n\n#### Deeper\n\n### Part *b* &amp; c\n\n## Two\n\n## One")
    found = contents(html, LONG)
    assert shape(found) == [("One", ["Part a", "Part b & c"]), ("Two", []), ("One", [])]
    for entry in (*found, *found[0].parts):
        assert f' id="{entry.id}"' in html
    assert [entry.id for entry in found] == ["c-one", "c-two", "c-one-2"]


def test_short_posts_and_those_with_few_headings_have_none():
    html = render("# A\n\n# B\n\n# C")
    assert contents(html, LONG - 1) == ()
    assert len(contents(html, LONG)) == FEWEST
    assert contents(render("# A\n\n# B\n\ntext"), LONG) == ()


def test_levels_may_begin_anywhere():
    assert shape(contents(render("#### A\n\n##### a\n\n#### B"), LONG)) == [("A", ["a"]), ("B", [])]
    assert shape(contents(render("### early\n\n## A\n\n### a"), LONG)) == [("early", []), ("A", ["a"])]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('<h2 title="a > b">A</h2>\n\n<h2 id=x title=\'"\'>B</h2>\n\n## C', ["B", "C"]),
        ("## A[^1]\n\n## ![x](y.png)\n\n## <b>B</b>\n\n## C\n\n[^1]: note", ["A", "B", "C"]),
        ("## 日本\n\n## <script>alert(1)</script>C\n\n## &lt;b&gt;", ["日本", "C", "<b>"]),
        ("```\n<h2 id='a'>no</h2>\n```\n\n## A\n\n## B\n\n## C", ["A", "B", "C"]),
    ],
)
def test_what_counts_as_a_heading(source, texts):
    found = contents(render(source), LONG)
    assert [entry.text for entry in found] == (texts if len(texts) >= FEWEST else [])


def test_words_are_not_markup():
    assert contents(render("## `<b>`\n\n## B\n\n## C"), LONG)[0] == Entry("c-b", "<b>")


def test_time_grows_with_the_length_at_most():
    started = time.perf_counter()
    contents("<h2 " * 20_000 + '<h2 id="a">' * 2_000, LONG)
    contents('<h2 a="' * 20_000, LONG)
    assert time.perf_counter() - started < 2
