"""The draft that shows what a post can contain."""

import re
from collections.abc import Mapping

import pytest

from blog.domain.core.context import Context
from blog.domain.posts import posts, writing_guide
from blog.schemas.posts import PostStatus
from blog.text.embeds import with_embeds
from blog.text.markdown import render, render_both
from blog.text.removed_markup import removed_markup
from blog.text.word_count import count_words
from tests.support.lines import ROOT

CONSTRUCTS: Mapping[str, str] = {
    "heading with a written id": r'<h2 id="c-text">',
    "heading with the id of its title": r'<h2 id="c-tables">',
    "emphasis": r"<em>emphasis</em>",
    "importance": r"<strong>importance</strong>",
    "deletion": r"<(s|del)>a correction</(s|del)>",
    "code": r"<code>code</code>",
    "highlight": r"<mark>a highlight</mark>",
    "subscript": r"H<sub>2</sub>O",
    "superscript": r"x<sup>2</sup>",
    "raw HTML": r"<kbd>Ctrl</kbd>",
    "link": r'<a href="https://commonmark\.org"',
    "link to a heading": r'<a href="#c-text"',
    "bare link": r'<a href="https://example\.org"',
    "footnote": r'<sup class="footnote-ref">.*<section class="footnotes">',
    "abbreviation": r'<abbr title="HyperText Markup Language">HTML</abbr>',
    "bullet list": r"<ul>\s*<li>An item",
    "numbered list": r"<ol>\s*<li>A numbered item",
    "task list": r'<input[^>]*type="checkbox"',
    "definition list": r"<dl>\s*<dt>Draft</dt>",
    "quotation": r"<blockquote>\s*<p>A quotation",
    "callout": r'class="callout callout-tip"',
    "image with a caption": r"<figure>\s*<img[^>]*>\s*<figcaption>Hills in the morning",
    "wide image": r'<figure class="wide">',
    "gallery": r'<figure class="gallery">',
    "code block": r'<pre class="highlight"[^>]*><code class="language-python">',
    "table": r"<table>.*<th[^>]*>Readers",
    "formula": r'<math(?! display="block")[^>]*>',
    "formula on its own line": r'<math[^>]*display="block"',
    "card": r'class="embed-card embed-video" data-frame="https://www\.youtube-nocookie\.com/',
    "rule": r"<hr",
}


@pytest.fixture(scope="module")
def rendered() -> str:
    """Return the HTML of the guide on its page."""
    return with_embeds(render(writing_guide.draft().content))


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_guide_shows_each_construct(rendered: str, name: str) -> None:
    assert re.search(CONSTRUCTS[name], rendered, re.DOTALL), name


def test_guide_is_short_and_loses_no_markup() -> None:
    text = writing_guide.draft().content
    assert 200 < count_words(text) <= 400
    html, unsafe = render_both(text)
    assert removed_markup(unsafe, html) == []


def test_images_of_the_guide_exist(rendered: str) -> None:
    names = set(re.findall(r'src="(/static/[^"]+)"', rendered))
    assert len(names) == 2
    for name in names:
        assert (ROOT / name[1:]).is_file()


async def test_guide_is_a_draft_that_could_be_published(author: Context) -> None:
    post = await posts.create(author, writing_guide.draft())
    assert (post.status, post.slug) == (PostStatus.DRAFT, "how-to-write-a-post")
