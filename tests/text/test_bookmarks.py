"""Bookmark cards: quotes with a link to another page, its description and an uploaded image."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.text.bookmarks import bookmark_markdown
from blog.text.excerpt import excerpt
from blog.text.markdown import render, render_comment
from blog.text.page_metadata import read_metadata
from blog.text.plain_text import extract_text

CARD = """> [!BOOKMARK]
> [The loom](https://example.org/loom)
>
> How it *works*.
>
> ![](/media/loom.webp)
"""


def test_quote_with_the_marker_is_a_card() -> None:
    assert render(CARD) == (
        '<blockquote class="bookmark">\n<p><a href="https://example.org/loom" rel="noopener">The loom</a></p>\n'
        "<p>How it <em>works</em>.</p>\n"
        '<p><img src="/media/loom.webp" alt="" loading="lazy" decoding="async"></p>\n</blockquote>\n'
    )
    assert render(CARD.replace("BOOKMARK", "bookmark")) == render(CARD)
    assert render(render(CARD)) == render(CARD), "the HTML of a card is accepted too"


@pytest.mark.parametrize(
    "source",
    [
        "> [!BOOKMARK]",
        "> [!BOOKMARK]\n> Without a link",
        "> [!BOOKMARK]\n>\n> [Later](https://example.org/)",
        "> [!BOOKMARKS]\n> [x](https://example.org/)",
        "[!BOOKMARK]\n[x](https://example.org/)",
        "> > x\n\n[!BOOKMARK]",
    ],
)
def test_other_texts_are_no_cards(source: str) -> None:
    html = render(source)
    assert 'class="bookmark"' not in html
    assert "[!BOOKMARK" in html


def test_card_requests_nothing_from_other_sites() -> None:
    for address in ("https://evil.example/a.png", "//evil.example/a.png", "http:a.png"):
        image = f"![x]({address} 'y')"
        html = render(f"> [!BOOKMARK]\n> [{image} Title](https://example.org/)\n>\n> {image}\n> > {image}")
        assert "<img" not in html
        assert "Title</a>" in html
        assert "<img" in render(f"> [!BOOKMARK]\n> [a](https://example.org/)\n\n![x]({address})"), "the card has ended"


def test_hostile_titles_stay_text() -> None:
    html = render("> [!BOOKMARK]\n> [\\<script>alert(1)\\</script>\\]](javascript:alert(1))\n>\n> <img src=x onerror=alert(1)>")
    assert "<script" not in html
    assert "onerror" not in html
    assert "href" not in html


def test_comments_have_no_cards_and_excerpts_skip_them() -> None:
    assert "[!BOOKMARK]" in render_comment(CARD)
    assert excerpt(render(f"{CARD}\nMy own words.")) == "My own words."


def test_markdown_of_a_card() -> None:
    url = "https://example.org/looms_(old)?a=1&copy;=2#part"
    markdown = bookmark_markdown(url, "A [loom]", "Two > one: it *works*.", "/media/loom.webp")
    assert markdown == (
        "> [!BOOKMARK]\n> [A \\[loom\\]](https://example.org/looms_%28old%29?a=1\\&copy;=2#part)\n>\n"
        "> Two \\> one: it \\*works\\*.\n>\n> ![](/media/loom.webp)"
    )
    assert 'href="https://example.org/looms_%28old%29?a=1&amp;copy;=2#part"' in render(markdown)
    assert bookmark_markdown(url, "A", "").count("\n") == 1, "nothing without a description and an image"


HOSTILE = [
    "x](javascript:alert(1)) [y", "](<", "a\\", "\\](x)", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "<!-- comment", "&lt;b&gt; &amp; &#60;b&#62; &copy", "> quote", "# heading", "- item", "+ item", "1. item", "123) item",
    "7.", "3.5 looms",
    "---", "===", "***", "***bold*** _it_ ==mark== ~sub~ ^sup^ ~~no~~", "`code", "```", "$x$ and $$y$$", "[^1] [!NOTE] [x]: /y",
    "*[CSS]: no", ": meaning", "{.wide}", "https://evil.example/ and a@evil.example", "![x](https://evil.example/a.png)",
    "| a | b |", "a\n> b\n\n# c", "\u202egnp.exe", "a\x00b\x1b[2J", "[ ] task", "www.evil.example", "mailto:a@evil.example", "!",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_metadata_becomes_the_same_text_in_a_card(hostile: str) -> None:
    assert_card_shows(hostile)


@given(
    st.text(alphabet=st.sampled_from("ab1 \n\t\\`*_[]()<>{}#+-.!|~^$=:&@/;\"'%,é\u200b\u202e\x00\ud800"), max_size=30)
    | st.text(max_size=30)
)
@example("https://a.b")
def test_any_metadata_becomes_the_same_text_in_a_card(text: str) -> None:
    assert_card_shows(text)


def assert_card_shows(text: str) -> None:
    """Assert that a page with this title and description has a card with nothing but its link and its text."""
    quoted = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").encode(errors="replace")
    page = b'<title>%b</title><meta name="description" content="%b">' % (quoted, quoted)
    found = read_metadata(page, "text/html; charset=utf-8", "https://example.org/")
    title, description = found.title or "example.org", found.description
    html = render(bookmark_markdown("https://example.org/", title, description))
    paragraphs = html.split("<p>")[1:]
    assert html.startswith('<blockquote class="bookmark">\n<p><a href="https://example.org/" rel="noopener">')
    assert html.count("<") == (8 if description else 6), "no other elements"
    shown = [extract_text(part, lambda tag, attributes: False) for part in paragraphs]
    assert shown == [" ".join(line.split()) for line in (title, description) if line]
