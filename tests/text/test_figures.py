"""Captions, galleries and widths of images in Markdown."""

import re

import pytest

from blog.text.absolute_urls import make_urls_absolute
from blog.text.excerpt import excerpt
from blog.text.image_html import ImageSource, with_sources
from blog.text.markdown import render, render_comment

A, B = "![A loom](/media/a.png)", "![A mill](/media/b.png)"
FILES = [("/media/s.webp", 480), ("/media/m.webp", 960), ("/media/a.png", 3000)]
IMAGE = re.compile(r'(<img src="[^"]*" alt="[^"]*")[^>]*>')


def shape(source: str) -> str:
    """Return the HTML on one line, with only `src` and `alt` of images and without `rel`."""
    return IMAGE.sub(r"\1>", render(source)).replace("\n", "").replace(' rel="noopener"', "")


def test_title_becomes_a_caption() -> None:
    found = shape('![A loom](/media/a.png "Oak & <brass>, 1801")')
    assert found == (
        '<figure><img src="/media/a.png" alt="A loom"><figcaption>Oak &amp; &lt;brass&gt;, 1801</figcaption></figure>'
    )
    assert "title=" not in render('![A loom](/media/a.png "Oak")'), "the caption must not appear twice"


@pytest.mark.parametrize("width", ["wide", "full"])
def test_width_is_written_after_the_image(width: str) -> None:
    image = '<img src="/media/a.png" alt="A loom">'
    assert shape(f"{A}{{.{width}}}") == f'<figure class="{width}">{image}</figure>'
    captioned = shape(f'![A loom](/media/a.png "Oak"){{.{width}}}')
    assert captioned == f'<figure class="{width}">{image}<figcaption>Oak</figcaption></figure>'


@pytest.mark.parametrize("between", ["\n", " ", "", "  \n", "\\\n"])
def test_paragraph_of_images_is_a_gallery(between: str) -> None:
    loom, mill = (
        f'<figure><a href="/media/{name}.png"><img src="/media/{name}.png" alt="{alt}"></a></figure>'
        for name, alt in (("a", "A loom"), ("b", "A mill"))
    )
    assert shape(A + between + B) == f'<figure class="gallery">{loom}{mill}</figure>'
    assert shape(f"{A}{between}{B}{{.wide}}") == f'<figure class="gallery wide">{loom}{mill}</figure>'


def test_images_of_a_gallery_have_captions_and_links_have_names() -> None:
    found = shape('![](/media/a.png "Oak")\n![A mill](/media/b.png)')
    assert '<a href="/media/a.png" aria-label="Open image"><img src="/media/a.png" alt=""></a><figcaption>Oak' in found
    assert found.count("aria-label") == found.count("figcaption>") - 1 == 1


@pytest.mark.parametrize(
    "source",
    [
        A,
        f"Here: {A}",
        f"{A} and {B}",
        f"{A}\nA line of text",
        f"{A}{{.narrow}}",
        f"{A}{{.wide .full}}",
        "{.wide}",
        f"{{.wide}}{A}",
        f"`{A}`{B}",
        f"[{A}](/media/a.png){B}",
        "![A talk](/media/a.mp4)\n![Another](/media/b.mp4)",
    ],
)
def test_other_paragraphs_stay_paragraphs(source: str) -> None:
    assert "<figure" not in render(source)
    assert render(source).startswith("<p>")


def test_figures_are_found_in_lists_and_quotes() -> None:
    assert shape(f"> {A}\n> {B}").startswith('<blockquote><figure class="gallery">')
    assert "<figure" not in shape(f"- {A}{{.wide}}\n- x"), "an item of a tight list has no paragraph"


def test_source_cannot_write_other_classes() -> None:
    html = render('<figure class="full site-header gallery" style="position: fixed"><img src="/a.png" alt=""></figure>')
    assert '<figure class="full gallery">' in html
    assert 'class="full"' not in render('<p class="full">x</p>'), "only figures"
    assert "{.wide}" in render_comment(f"{A}{{.wide}}"), "comments have no images"


def test_captions_are_not_part_of_excerpts() -> None:
    assert excerpt(render('![A loom](/media/a.png "Oak")\n\nThe text.')) == "The text."


def test_feeds_have_absolute_addresses_in_figures() -> None:
    html = make_urls_absolute(render(f"{A}\n{B}"), "https://blog.example.org/posts/looms")
    assert html.count('"https://blog.example.org/media/a.png"') == 2


@pytest.mark.parametrize(
    ("source", "sizes"),
    [
        (A, "min(600px, 100vw - 40px)"),
        (f"{A}{{.wide}}", "min(840px, 100vw - 40px)"),
        (f"{A}{{.full}}", "100vw"),
        (f"{A}\n{A}", "min(300px, 50vw)"),
        (f"{A}\n{A}{{.wide}}", "min(420px, 50vw)"),
        (f"{A}\n{A}{{.full}}", "min(480px, 50vw)"),
    ],
)
def test_browsers_choose_the_copy_for_the_width_of_the_figure(source: str, sizes: str) -> None:
    html = with_sources(render(source), {"/media/a.png": ImageSource(3000, 2250, FILES)}.get)
    assert set(re.findall(r'sizes="([^"]+)"', html)) == {sizes}


def test_cropped_images_load_enough_pixels() -> None:
    panorama = {"/media/a.png": ImageSource(4000, 1000, FILES)}
    html = with_sources(render(f"{A}\n{A}\n\n{A}"), panorama.get)
    assert re.findall(r'sizes="([^"]+)"', html) == ["min(900px, 150vw)"] * 2 + ["min(600px, 100vw - 40px)"]
