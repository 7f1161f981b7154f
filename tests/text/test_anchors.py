"""Deep links into posts: any id of the text is a target, with and without the prefix, and none shadows the page."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from blog.text.markdown import render
from blog.text.sanitiser import sanitise_post
from tests.text.test_markdown import Elements

PAGE_URL = "http://blog.test/"
SPACER = "\n\n" + "Text.\n\n" * 200
TARGETS = {
    "heading": ("later", "## Later"),
    "other script": ("日本語", "## 日本語"),
    "old anchor": ("old", '<a name="old"></a>Old text.'),
    "old anchor with text": ("old", '<a name="old">Old text.</a>'),
    "link": ("out", '<a id="out" href="/x">Out</a>'),
    "paragraph": ("part", '<p id="part">Part.</p>'),
    "list": ("rows", '<ul id="rows"><li>Row</li></ul>'),
    "table": ("data", '<table id="data"><tr><td>1</td></tr></table>'),
    "cell": ("cell", '<table><tr><td id="cell">1</td></tr></table>'),
    "code": ("code", '<pre id="code">x = 1</pre>'),
    "image": ("image", '<img id="image" src="/a.png" alt="">'),
    "details": ("more", '<details id="more"><summary>More</summary>x</details>'),
    "footnote": ("fn:1", "Text[^1].\n\n[^1]: Note."),
}


def show(page: Page, html: str, fragment: str = "") -> None:
    body = f"<!doctype html><meta charset=utf-8><main><article>{html}</article></main><div style='height:3000px'></div>"
    page.route("**/*", lambda route: route.abort())
    page.route(PAGE_URL, lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    page.goto(PAGE_URL + fragment, wait_until="domcontentloaded")


def anchors(source: str, document: str = "") -> Sequence[tuple[str | None, str | None]]:
    return [(link.get("id"), link.get("name")) for link in Elements(render(source, document)).named("a")]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("prefix", ["#", "#c-"])
def test_deep_link_scrolls_without_scripts(browser: Browser, target: str, prefix: str) -> None:
    name, source = TARGETS[target]
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    show(page, render(SPACER + source + SPACER), prefix + name)
    place = page.locator(f'[id="c-{name}"]')
    box = place.bounding_box()
    assert box is not None
    assert -5 < box["y"] < 60
    context.close()


@pytest.mark.parametrize("name", ["location", "cookie", "body", "forms", "getElementById", "later", "main", "name", "top"])
def test_names_and_ids_shadow_nothing(browser: Browser, name: str) -> None:
    page = browser.new_page()
    read = f"""[typeof window["{name}"], typeof document["{name}"], String(document["{name}"]).slice(0, 30)]"""
    show(page, "")
    before = page.evaluate(read)
    show(page, render(f'<a name="{name}">x</a> <a name="{name}"></a>\n\n<h2 id="{name}">y</h2>\n\n# {name}\n'))
    assert page.evaluate(read) == before


def test_element_of_the_page_comes_before_the_text(browser: Browser) -> None:
    page = browser.new_page()
    show(page, f'<section id="comments">Comments</section>{render(SPACER + "## Comments")}', "#comments")
    assert page.evaluate("document.querySelector(':target').tagName") == "SECTION"


def test_headings_and_old_anchors_get_both() -> None:
    assert anchors('## Later\n\n<a name="old"></a>[x](#old)') == [(None, "later"), ("c-old", "old"), (None, None)]
    assert 'href="#c-old"' in render("[x](#old)")
    assert anchors('<a id="x" href="/y">z</a>') == [("c-x", "x")]


def test_first_element_with_a_name_is_the_target() -> None:
    assert anchors('<p id="x">1</p>\n\n<p id="x">2</p>') == [(None, "x")]
    assert anchors('<a name="x"></a>\n\n<h2 id="x">2</h2>') == [(None, "x")]


def test_links_get_no_anchor_inside() -> None:
    assert anchors('[<span id="b">y</span>](/z)') == [(None, None)]


@pytest.mark.parametrize("name", ["a b", "a&#10;b", "a&#1;b", "x" * 201])
def test_names_with_spaces_are_removed(name: str) -> None:
    assert anchors(f'<a name="{name}">x</a>') == [(None, None)]


def test_names_on_other_elements_are_removed() -> None:
    html = render(
        '<p name="a">x</p> <img name="b" src="/c.png"> <input name="d"> <form name="e"><object name="f"></object></form>'
    )
    assert " name=" not in html


def test_documents_that_share_a_page_have_no_names_in_common() -> None:
    source = '## Later\n\n<a name="old"></a>'
    assert anchors(source, "12") == [("c-12-old", "c-12-old")]


PIECES = [
    "<a name=x>", "<a id=y href=/z>", "</a>", "<p id=x>", '<h2 id="q&quot;">', "</h2>", "<ul id=x>", "<li id=y>", "<table id=t>",
    "x", "<tr id=r>", "<td id=d>", "<pre id=p>\n", "</pre>", "<details id=d>", "<summary id=s>", "\n\n", "# x", "<a name=c-x>",
    "<a name=c-y id=z>", "[x](#x)", "<img id=i src=/a>",
]  # fmt: skip
markup = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(markup)
def test_sanitising_again_changes_nothing(source: str) -> None:
    html = render(source)
    assert sanitise_post(html) == html
    elements = Elements(html)
    assert all(tag == "a" for tag, attributes in elements.items if "name" in attributes)
    for _, attributes in elements.items:
        assert str(attributes.get("id", "c-")).startswith("c-")
