"""Bookmark cards: quotes with a link to another page, its description and an uploaded image."""

import pytest

from blog.text.excerpt import excerpt
from blog.text.markdown import render, render_comment

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
