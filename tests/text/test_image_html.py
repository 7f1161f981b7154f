"""Images on pages know how much room they take."""

import pytest

from blog.text.image_html import with_captions, with_sizes
from blog.text.markdown import render

SIZES = {"/media/a.png": (900, 600)}


def shown(source):
    return with_sizes(render(source), SIZES.get)


def test_image_of_known_size_gets_it() -> None:
    html = shown("![One](/media/a.png)\n\n![Two](/media/a.png)")
    assert html.count(' width="900" height="600">') == 2


def test_only_the_first_image_is_loaded_at_once() -> None:
    html = shown("![One](/media/a.png)\n\n![Two](/media/a.png)\n\n![Three](/elsewhere.png)")
    assert [part.split(">")[0].count('loading="lazy"') for part in html.split("<img")[1:]] == [0, 1, 1]


@pytest.mark.parametrize(
    "source",
    [
        '<img src="/media/a.png" width="10" alt="x">',
        '<img src="/media/a.png" height="10" alt="x">',
        "![x](https://example.org/x.png)",
    ],
)
def test_size_that_is_given_or_unknown_stays_as_it_is(source: str) -> None:
    assert shown(source) == render(source).replace(' loading="lazy"', "")


def test_image_that_stands_alone_shows_its_title_below() -> None:
    html = with_captions(render('![A loom](/media/a.png "Oak & <brass>, 1801")'))
    assert html.startswith('<figure><img src="/media/a.png" alt="A loom"')
    assert html.endswith("><figcaption>Oak &amp; &lt;brass&gt;, 1801</figcaption></figure>\n")
    assert "title=" not in html, "said once"


@pytest.mark.parametrize(
    "source",
    [
        "![A loom](/media/a.png)",
        '![A loom](/media/a.png "")',
        'Here: ![A loom](/media/a.png "A title")',
        '`<p><img title="x"></p>`',
    ],
)
def test_image_without_a_title_or_within_a_sentence_is_no_figure(source: str) -> None:
    assert with_captions(render(source)) == render(source)


def test_what_looks_like_an_image_in_text_is_text() -> None:
    source = '`<img src="/media/a.png">` and ![<img src="/media/a.png">](/media/a.png)'
    assert shown(source).count('width="900"') == 1


def test_text_without_images_is_itself() -> None:
    html = render("Words.")
    assert with_sizes(html, SIZES.get) is html
