"""Metadata of pages of other sites: order of sources, encodings, and hostile pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.page_metadata import PageMetadata, read_metadata

URL = "https://example.org/a/page"


def read(html: str | bytes, content_type: str = "text/html; charset=utf-8") -> PageMetadata:
    return read_metadata(html if isinstance(html, bytes) else html.encode(), content_type, URL)


def test_open_graph_comes_before_twitter_and_html() -> None:
    meta = {"og:title": "OG", "og:description": "OG text", "og:image": "https://i.example/og.png"}
    twitter = '<meta name="twitter:title" content="TW"><meta name="twitter:description" content="TW text">'
    plain = '<title>Plain</title><meta name="Description" content="Plain text">'
    graph = "".join(f'<meta property="{name}" content="{value}">' for name, value in meta.items())

    assert read(plain + twitter + graph) == PageMetadata("OG", "OG text", "https://i.example/og.png")
    assert read(plain + twitter) == PageMetadata("TW", "TW text", "")
    assert read(plain) == PageMetadata("Plain", "Plain text", "")
    assert read("<p>Text</p>") == PageMetadata("", "", "")
    blank = '<meta property="og:title" content=" "><meta property="og:title" content="&#8203;">'
    assert read(blank + plain).title == "Plain", "a value without visible text does not count"


def test_only_the_head_is_read() -> None:
    scripts = "<script>'<body><title>No</title>'</script><!-- <title>No</title> --><title>A &amp; B</title>"
    assert read(f'<html><head>{scripts}</head><body><meta property="og:title" content="No">').title == "A & B"
    assert read("<svg></svg><title>One</title><title>Two</title>").title == "One"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<title>Grüße</title>".encode(), "text/html"),
        ("<title>Grüße</title>".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        ("<title>Grüße</title>".encode("latin-1"), 'text/html; charset="windows-1252"'),
        ('<meta charset="windows-1252"><title>Grüße</title>'.encode("cp1252"), "text/html"),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-15"><title>Grüße</title>'.encode("iso-8859-15"),
            "text/html",
        ),
        ("<title>Grüße</title>".encode("utf-16"), "text/html; charset=latin-1"),
        ('<meta charset="utf-16"><title>Grüße</title>'.encode(), "text/html"),
        ("<title>Grüße</title>".encode(), "text/html; charset=punycode"),
        ("<title>Grüße</title>".encode(), "text/html; charset=iso-8859-12"),
    ],
)
def test_encoding_of_the_page(body: bytes, content_type: str) -> None:
    assert read(body, content_type).title == "Grüße"


def test_texts_are_single_lines_of_limited_length() -> None:
    found = read(f'<title>\n One\x00\x1b[31m\ttwo\u2028&#13;\u202ethree </title><meta name="description" content="{"x" * 5000}">')
    assert found.title == "One [31m two three"
    assert found.description == "x" * 399 + "…"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("https://i.example/a.png", "https://i.example/a.png"),
        ("../b.png", "https://example.org/b.png"),
        ("//i.example/c.png", "https://i.example/c.png"),
        ("data:image/png;base64,AAAA", ""),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("http://[broken", ""),
        ("https://i.example/" + "a" * 3000, ""),
    ],
)
def test_images_have_absolute_web_addresses(image: str, expected: str) -> None:
    assert read(f'<meta property="og:image" content="{image}">').image == expected


@pytest.mark.parametrize("part", ["<", "<!--", "<a ", "<a x='", "<!", "<![", "</", "<meta ", "<a/", "<title>&lt", "<!DOCTYPE ["])
def test_broken_pages_are_read_to_their_end(part: str) -> None:
    read(f"<title>Before</title>{part * 20_000}")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_can_be_read(body: bytes) -> None:
    assert len(read(b"<title>" + body).title) <= 200
