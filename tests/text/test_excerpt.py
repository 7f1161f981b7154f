"""Excerpts and plain text of posts."""

from hypothesis import given
from hypothesis import strategies as st

from blog.text.excerpt import excerpt
from blog.text.markdown import render
from blog.text.plain_text import html_to_text


def test_plain_text_joins_phrases_and_separates_blocks() -> None:
    html = render("# One\n\nt*w*o  \nthree\n\n- four\n- five\n\n|six|seven|\n|-|-|\n|a|b|")

    assert html_to_text(html) == "One two three four five six seven a b"


def test_plain_text_resolves_references_and_collapses_whitespace() -> None:
    assert html_to_text("<p>a &amp;&nbsp; &lt;b&gt;\n\n c</p>") == "a & <b> c"


def test_plain_text_contains_code_and_footnotes_without_back_links() -> None:
    assert html_to_text(render("a[^n]\n\n[^n]: note\n\n```python\nif x:\n    y\n```")) == "a[1] if x: y note"


def test_short_text_is_the_whole_excerpt() -> None:
    assert excerpt(render("A *short* post.")) == "A short post."
    assert excerpt("") == ""


def test_code_tables_and_footnotes_are_skipped() -> None:
    hidden = "```python\nhidden = 1\n```\n\n|hidden|\n|-|\n|hidden|\n\n    hidden"
    source = f"Before[^n].\n\n{hidden}\n\nAfter `x`.\n\n[^n]: hidden"

    assert excerpt(render(source)) == "Before. After x."


def test_skipping_ends_with_the_element() -> None:
    html = '<table><tr><td><img src="a"><br><pre>x</pre></td></tr></table><p>seen</p>'

    assert excerpt(html) == "seen"


def test_long_text_ends_after_a_word_with_an_ellipsis() -> None:
    assert excerpt("<p>alpha beta gamma</p>", limit=12) == "alpha beta…"
    assert excerpt("<p>alpha beta gamma</p>", limit=11) == "alpha beta…"
    assert excerpt("<p>alpha, beta gamma</p>", limit=9) == "alpha…"


def test_text_without_spaces_is_cut_between_characters() -> None:
    assert excerpt("<p>" + "語" * 20 + "</p>", limit=10) == "語" * 9 + "…"


def test_marks_and_emoji_sequences_are_not_split() -> None:
    assert excerpt("<p>abcde\u0301fgh</p>", limit=6) == "abcd…"
    assert excerpt("<p>abc👩\u200d💻defgh</p>", limit=6) == "abc…"


@given(st.text(), st.integers(1, 60))
def test_an_excerpt_fits_and_is_the_beginning_of_the_text(source: str, limit: int) -> None:
    html = render(source)
    short = excerpt(html, limit)

    assert len(short) <= limit
    assert short == " ".join(short.split())
    assert excerpt(html, 10**9).startswith(short.removesuffix("…"))


def test_headings_are_not_part_of_the_excerpt() -> None:
    assert excerpt("<h2>Why</h2><p>It helps.</p><h3>How</h3><p>It is read.</p>") == "It helps. It is read."
