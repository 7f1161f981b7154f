"""Absolute URLs in posts."""

import pytest

from blog.text.absolute_urls import make_urls_absolute
from blog.text.markdown import render
from tests.text.test_markdown import Elements, corpus

BASE = "https://blog.example/posts/on-engines"


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("/media/a.png", "https://blog.example/media/a.png"),
        ("other", "https://blog.example/posts/other"),
        ("../tags", "https://blog.example/tags"),
        ("#c-part", f"{BASE}#c-part"),
        ("?q=a&amp;b=c", f"{BASE}?q=a&amp;b=c"),
        ("//cdn.example/a.png", "https://cdn.example/a.png"),
        ("https://elsewhere.example/a", "https://elsewhere.example/a"),
        ("mailto:ada@example.org", "mailto:ada@example.org"),
        ("http://[", "http://["),
    ],
)
def test_links_and_images_become_absolute(address: str, whole: str) -> None:
    assert (
        make_urls_absolute(f'<p><a href="{address}" rel="noopener">a</a></p>', BASE)
        == f'<p><a href="{whole}" rel="noopener">a</a></p>'
    )
    assert make_urls_absolute(f'<img alt="" src="{address}">', BASE) == f'<img alt="" src="{whole}">'


def test_text_that_looks_like_an_attribute_is_unchanged() -> None:
    text = '<p>Write <code>&lt;a href="/x"&gt;</code>, not href="/x" or src="/y".</p>'
    assert make_urls_absolute(text, BASE) == text


def test_values_that_look_like_tags_do_not_end_a_tag() -> None:
    hostile = '<p lang="<a href=" title="><img src=">text</p><a href="/x">a</a>'
    assert make_urls_absolute(hostile, BASE) == hostile.replace('"/x"', '"https://blog.example/x"')


def test_footnotes_and_images_of_a_rendered_post() -> None:
    html = make_urls_absolute(render("Look[^1]: ![it](/media/a.png 'A <b> \"x\"')\n\n[^1]: Note."), BASE)
    assert 'src="https://blog.example/media/a.png"' in html
    assert html.count(f'href="{BASE}#c-fn') == 2
    assert 'title="A &lt;b&gt; &quot;x&quot;"' in html or 'title="A <b> &quot;x&quot;"' in html


def test_only_urls_change_in_posts_of_a_real_blog() -> None:
    compared = 0
    for file in sorted(corpus("markdown-redox", "content", "news").glob("*.md"))[:40]:
        html = render(file.read_text())
        for (tag, before), (same, after) in zip(
            Elements(html).items, Elements(make_urls_absolute(html, BASE)).items, strict=True
        ):
            assert (tag, before.keys()) == (same, after.keys())
            for name, value in before.items():
                if name in ("href", "src"):
                    assert (after[name] or "").startswith(("https://", "http://", "mailto:"))
                    compared += 1
                else:
                    assert after[name] == value
    assert compared > 500
