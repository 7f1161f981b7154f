"""Sizes and captions of images in HTML."""

import pytest

from blog.text.image_html import with_captions, with_sizes
from blog.text.markdown import render

SIZES = {"/media/a.png": (900, 600)}


def render_with_sizes(source: str) -> str:
    return with_sizes(render(source), SIZES.get)


def test_images_get_their_size() -> None:
    html = render_with_sizes("![One](/media/a.png)\n\n![Two](/media/a.png)")
    assert html.count(' width="900" height="600">') == 2


def test_only_the_first_image_loads_eagerly() -> None:
    html = render_with_sizes("![One](/media/a.png)\n\n![Two](/media/a.png)\n\n![Three](/elsewhere.png)")
    assert [part.split(">")[0].count('loading="lazy"') for part in html.split("<img")[1:]] == [0, 1, 1]


@pytest.mark.parametrize(
    "source",
    [
        '<img src="/media/a.png" width="10" alt="x">',
        '<img src="/media/a.png" height="10" alt="x">',
        "![x](https://example.org/x.png)",
    ],
)
def test_written_and_unknown_sizes_are_unchanged(source: str) -> None:
    assert render_with_sizes(source) == render(source).replace(' loading="lazy"', "")


def test_a_title_becomes_a_caption() -> None:
    html = with_captions(render('![A loom](/media/a.png "Oak & <brass>, 1801")'))
    assert html.startswith('<figure><img src="/media/a.png" alt="A loom"')
    assert html.endswith("><figcaption>Oak &amp; &lt;brass&gt;, 1801</figcaption></figure>\n")
    assert "title=" not in html, "the title must not appear twice"


@pytest.mark.parametrize(
    "source",
    [
        "![A loom](/media/a.png)",
        '![A loom](/media/a.png "")',
        'Here: ![A loom](/media/a.png "A title")',
        '`<p><img title="x"></p>`',
    ],
)
def test_images_without_a_title_or_within_text_have_no_caption(source: str) -> None:
    assert with_captions(render(source)) == render(source)


def test_escaped_images_are_text() -> None:
    source = '`<img src="/media/a.png">` and ![<img src="/media/a.png">](/media/a.png)'
    assert render_with_sizes(source).count('width="900"') == 1


def test_html_without_images_is_unchanged() -> None:
    html = render("Words.")
    assert with_sizes(html, SIZES.get) is html
