"""Sizes and smaller copies of images in HTML."""

import pytest

from blog.text.image_html import ImageSource, with_sources
from blog.text.markdown import render

FILES = [("/media/b.webp", 480), ("/media/c.webp", 960), ("/media/a.jpg", 4032)]
SOURCES = {
    "/media/a.png": ImageSource(900, 600, [("/media/a.png", 900)]),
    "/media/a.jpg": ImageSource(4032, 3024, FILES),
    "/media/small.png": ImageSource(500, 50, [("/media/b.webp", 480), ("/media/small.png", 500)]),
}
SRCSET = 'srcset="/media/b.webp 480w, /media/c.webp 960w, /media/a.jpg 4032w"'


def render_with_sources(source: str) -> str:
    return with_sources(render(source), SOURCES.get)


def test_images_get_their_size() -> None:
    html = render_with_sources("![One](/media/a.png)\n\n![Two](/media/a.png)")
    assert html.count(' width="900" height="600">') == 2


def test_only_the_first_image_loads_eagerly() -> None:
    html = render_with_sources("![One](/media/a.png)\n\n![Two](/media/a.png)\n\n![Three](/elsewhere.png)")
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
    assert render_with_sources(source) == render(source).replace(' loading="lazy"', "")


def test_images_offer_smaller_copies_for_the_width_of_the_column() -> None:
    assert f'{SRCSET} sizes="min(600px, 100vw - 40px)">' in render_with_sources("![A photo](/media/a.jpg)")
    assert 'sizes="min(500px, 100vw - 40px)">' in render_with_sources("![Small](/media/small.png)")
    assert "srcset" not in render_with_sources("![One file](/media/a.png)")


def test_a_width_that_the_author_wrote_selects_the_copy() -> None:
    html = render_with_sources('<img src="/media/a.jpg" alt="x" width="200">')
    assert f'{SRCSET} sizes="min(200px, 100vw - 40px)">' in html
    assert (html.count("width="), html.count("height=")) == (1, 0)


def test_authors_cannot_write_sources() -> None:
    html = render_with_sources('<img src="/media/a.jpg" alt="x" srcset="https://example.org/track.png 1w" sizes="1px">')
    assert "example.org" not in html
    assert html.count("srcset=") == html.count("sizes=") == 1


def test_escaped_images_are_text() -> None:
    source = '`<img src="/media/a.png">` and ![<img src="/media/a.png">](/media/a.png)'
    assert render_with_sources(source).count('width="900"') == 1


def test_html_without_images_is_unchanged() -> None:
    html = render("Words.")
    assert with_sources(html, SOURCES.get) is html
