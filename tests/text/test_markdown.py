"""Markdown means what CommonMark says, and nothing dangerous leaves the renderer."""

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.highlighting import MAX_HIGHLIGHTED_BYTES
from blog.text.markdown import RENDERER_VERSION, commonmark, render, render_comment
from blog.text.sanitiser import ID_PREFIX, sanitise_comment, sanitise_post

Attributes = dict[str, str | None]


class Elements(HTMLParser):
    """The elements of a fragment, in document order, with attribute values decoded."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, Attributes]] = []
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[Attributes]:
        return [attributes for name, attributes in self.found if name == tag]


def corpus(*parts: str) -> Path:
    folder = os.environ.get("BLOG_TEST_CORPUS")
    if not folder:
        pytest.skip("BLOG_TEST_CORPUS does not name the folder of conformance and sanitiser examples")
    return Path(folder, *parts)


# Conformance


def without_insignificant_newline(html: str) -> str:
    """Return `html` with an empty quote written in one way, as the specification's own test runner normalises it."""
    return html.replace("<blockquote>\n</blockquote>", "<blockquote></blockquote>")


def test_every_example_of_commonmark_gives_the_html_of_the_specification() -> None:
    examples = json.loads(corpus("conformance", "commonmark-0.31.2.json").read_text("utf-8"))

    wrong = [
        case["example"]
        for case in examples
        if without_insignificant_newline(commonmark().render(case["markdown"])) != without_insignificant_newline(case["html"])
    ]
    assert len(examples) > 600
    assert wrong == []


def test_extensions_leave_ordinary_commonmark_alone() -> None:
    source = 'A *b* **c** `d` <https://e.example/>\n\n> f\n\n1. g\n2. h\n\n---\n\n[i](/j "k")\n'

    expected = commonmark().render(source).replace("<hr />", "<hr>")
    assert render(source).replace(' rel="noopener"', "") == expected


# What posts may hold


def test_tables_scroll_and_align_without_inline_style() -> None:
    html = render("|a|b|\n|:-|-:|\n|c|d|\n\n|e|\n|-|\n|f|")
    regions = Elements(html).named("div")

    assert [region["aria-label"] for region in regions] == ["Table 1", "Table 2"]
    assert all(r["class"] == "table-scroll" and r["tabindex"] == "0" and r["role"] == "region" for r in regions)
    assert '<th class="align-left">a</th>' in html
    assert '<td class="align-right">d</td>' in html


def test_strikethrough_and_bare_addresses() -> None:
    assert render("~~gone~~") == "<p><s>gone</s></p>\n"
    assert Elements(render("see https://example.org/a_b, or a@b.org")).named("a") == [
        {"href": "https://example.org/a_b", "rel": "noopener"},
        {"href": "mailto:a@b.org", "rel": "noopener"},
    ]


def test_file_names_do_not_become_addresses() -> None:
    assert "<a" not in render("README.md main.rs //comment.rs ftp://x.example/")


def test_task_items_are_labelled_boxes_that_cannot_be_used() -> None:
    html = render("- [ ] a\n- [x] b\n- \\[ ] c\n- [ ]d\n\n1. [X]\te")
    boxes = Elements(html).named("input")

    assert [(box["aria-label"], "checked" in box) for box in boxes] == [
        ("To do", False),
        ("Done", True),
        ("Done", True),
    ]
    assert all(box["type"] == "checkbox" and "disabled" in box for box in boxes)
    assert "<li>[ ] c</li>" in html
    assert "<li>[ ]d</li>" in html


def test_headings_have_unique_ids_and_links_reach_them() -> None:
    found = Elements(render("# Café\n\n## Café\n\n## Café 2\n\n### 😀\n\n#### `x` *y*\n\n[up](#cafe)"))
    ids = [str(attributes["id"]) for tag, attributes in found.found if tag.startswith("h")]

    assert ids == ["c-cafe", "c-cafe-2", "c-cafe-2-2", "c-section", "c-x-y"]
    assert found.named("a")[0]["href"] == "#c-cafe"


def test_footnotes_lead_there_and_back_and_never_meet_a_heading() -> None:
    html = render("# fn1\n\na[^x] b[^x] c^[inline]\n\n[^x]: note")
    ids = [attributes["id"] for _, attributes in Elements(html).found if "id" in attributes]
    targets = {str(link["href"]) for link in Elements(html).named("a")}

    assert len(ids) == len(set(ids)) == 6
    assert targets == {f"#{i}" for i in ids} - {"#c-fn1"}
    assert 'aria-label="Back to reference 1"' in html


def test_documents_on_one_page_share_no_id() -> None:
    source = "# Same\n\na[^x]\n\n[^x]: note"
    one, two = ({a["id"] for _, a in Elements(render(source, d)).found if "id" in a} for d in ("12", "13"))

    assert len(one) == len(two) == 3
    assert one.isdisjoint(two)


def test_images_load_late_whoever_wrote_the_tag() -> None:
    images = Elements(render('![alt](/a.png)\n\n<img src="/b.png" loading="eager" onerror="x()">')).named("img")

    assert images[0] == {"src": "/a.png", "alt": "alt", "loading": "lazy", "decoding": "async"}
    assert images[1] == {"src": "/b.png", "loading": "lazy", "decoding": "async"}


def test_code_is_coloured_by_class_and_can_be_scrolled_by_keyboard() -> None:
    html = render("```rust,no_run\nfn main() {}\n```")

    assert html.startswith('<pre class="highlight" tabindex="0"><code class="language-rust"><span class="k">fn</span>')
    assert Elements(render("    indented")).named("pre") == [{"class": "highlight", "tabindex": "0"}]


@pytest.mark.parametrize(
    "code",
    ["x = 1\n" * (MAX_HIGHLIGHTED_BYTES // 6 + 1), "x" * 1001, "x" + "\n " * 40, "a\n" * 500],
    ids=["too big", "long line", "blank lines", "words without end"],
)
def test_code_that_would_be_slow_to_colour_stays_plain_and_whole(code: str) -> None:
    html = render(f"```csharp\n{code}\n```")

    assert "<span" not in html
    assert f'<code class="language-csharp">{code}\n</code>' in html


def test_an_unknown_language_is_named_but_not_coloured() -> None:
    assert '<code class="language-klingon">a &lt; b\n</code>' in render("```klingon\na < b\n```")
    assert "<code>a\n</code>" in render('```"><script>\na\n```')


def test_raw_html_keeps_its_meaning_and_loses_the_rest() -> None:
    html = render('<details open onclick="x()"><summary>s</summary>\n\n*t*\n\n</details>\n\n<p id="location" class="btn">u</p>')

    assert '<details open=""><summary>s</summary>' in html
    assert "<em>t</em>" in html
    assert '<p id="c-location">u</p>' in html


# What comments may hold


def test_comments_have_phrases_lists_quotes_and_code() -> None:
    html = render_comment("*a* **b** `c`\n\n- d\n\n1. e\n\n> f\n\n```python\nimport g\n```")

    tags = {tag for tag, _ in Elements(html).found}
    assert tags == {"p", "em", "strong", "code", "ul", "ol", "li", "blockquote", "pre", "span"}


def test_links_in_comments_are_not_endorsed() -> None:
    links = Elements(render_comment("[a](https://a.example) https://b.example")).named("a")

    assert [link["rel"] for link in links] == ["nofollow ugc noopener"] * 2


def test_comments_show_other_marks_as_text() -> None:
    html = render_comment("# a\n\nb\n===\n\n<b>c</b>\n\n|d|\n|-|\n\n![e](/f.png)\n\n***")

    assert {tag for tag, _ in Elements(html).found} == {"p", "a"}
    assert "# a" in html
    assert "&lt;b&gt;c&lt;/b&gt;" in html
    assert "***" in html


# Safety


FORBIDDEN = {"script", "iframe", "object", "embed", "style", "svg", "math", "form", "base", "meta", "link", "template"}
URL_ATTRIBUTES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "cite", "background", "xlink:href"}
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def faults(html: str) -> Iterator[str]:
    """Yield what is dangerous in a fragment, as a browser would read it."""
    for tag, attributes in Elements(html).found:
        if tag in FORBIDDEN:
            yield tag
        for name, value in attributes.items():
            if name.startswith("on") or name in {"style", "srcdoc", "name"}:
                yield f"{tag} {name}"
            if name == "id" and not (value or "").startswith(ID_PREFIX):
                yield f"{tag} id={value}"
            if name in URL_ATTRIBUTES and (scheme := scheme_of(value or "")) not in {"", "http", "https", "mailto"}:
                yield f"{tag} {name} {scheme}:"


def scheme_of(url: str) -> str:
    """Return the scheme that the most lenient browser would see, one that drops every control character."""
    match = SCHEME.match(re.sub(r"[\x00-\x1f\x7f]", "", url).lstrip(" "))
    return match[1].lower() if match else ""


def payloads() -> list[str]:
    folder = corpus("sanitizer")
    naughty = json.loads((folder / "blns.json").read_text("utf-8"))
    bleach = [case["payload"] for case in json.loads((folder / "bleach-data.json").read_text("utf-8"))]
    html5lib = [case["input"] for case in json.loads((folder / "html5lib-sanitizer-tests1.json").read_text("utf-8"))]
    listed = (folder / "xss-payloads-dev.txt").read_text("utf-8").splitlines()
    lines = (folder / "blns.txt").read_text("utf-8").splitlines()
    return [*naughty, *bleach, *html5lib, *listed, *lines]


CARRIERS: list[Callable[[str], str]] = [
    lambda payload: payload,
    lambda payload: f"text {payload} text",
    lambda payload: f"[a]({payload}) ![b](<{payload}>)\n\n[c]: {payload}\n\n[c]",
    lambda payload: f"```{payload}\n{payload}\n```\n\n# {payload}\n\n|{payload}|\n|-|\n|{payload}|\n\n[^n]\n\n[^n]: {payload}",
]


@pytest.mark.parametrize("carrier", CARRIERS, ids=["bare", "in text", "as address", "everywhere else"])
def test_no_known_payload_survives(carrier: Callable[[str], str]) -> None:
    attacks = payloads()

    assert len(attacks) > 1500
    for attack in attacks:
        for rendered in (render(carrier(attack)), render_comment(carrier(attack))):
            assert list(faults(rendered)) == [], attack


@pytest.mark.parametrize(
    "html",
    [
        "<script>x</script>",
        '<a href="java&#x0A;script:x">',
        "<p onclick=x>",
        '<p style="color:red">',
        "<p id=location>",
        '<img src="DATA:text/html,x">',
    ],
)
def test_the_check_itself_sees_what_it_looks_for(html: str) -> None:
    assert list(faults(html))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:x",
        "JaVaScRiPt:x",
        "java\tscript:x",
        "&#106;avascript:x",
        "&#x6a&#x61vascript&colon;x",
        " \x01javascript:x",
        "vbscript:x",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml,<svg onload=x>",
        "file:///etc/passwd",
        "blob:https://a.example/1",
    ],
)
def test_only_web_and_mail_addresses_survive(address: str) -> None:
    source = f'<a href="{address}">a</a> <img src="{address}">\n\n[b](<{address}>) ![c](<{address}>) <{address}>'

    for html in (render(source), render_comment(source)):
        assert list(faults(html)) == []
        assert not any(unquote(str(a.get("href", ""))).strip().lower().startswith("javascript:") for _, a in Elements(html).found)


def test_authors_cannot_take_the_look_of_the_page() -> None:
    html = render('<div class="toolbar highlight" role="alert" tabindex="5" aria-label="x">a</div><input type="password">')

    assert '<div class="highlight" aria-label="x">' in html
    assert Elements(html).named("input") == [{"type": "checkbox", "disabled": ""}]


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert render("a\ud800b") == "<p>a\ufffdb</p>\n"
    assert render("```python\n'\udfff'\n```").count("\ufffd") == 1


# Pieces that meet each other badly, separated by a sign that none of them holds.
PIECES = (
    "*¦**¦_¦`¦```\n¦\n¦\n\n¦    ¦- ¦[ ] ¦1. ¦> ¦# ¦|¦|-|\n¦[¦](¦)¦![¦^[¦[^a]¦[^a]: ¦~~¦x¦\\¦\x00¦\r¦é"
    "¦python¦http://a.b¦a@b.cd¦<b>¦</b>¦<p>¦</p>¦<table>¦<td>¦<pre>\n¦<a href=x>¦<¦>¦&#13;¦&lt;¦<!--¦-->¦<svg>"
    "¦<style>¦<math>¦<li>¦<ul>¦<h1>¦<details>¦<summary>¦<section>¦<ruby>¦<rt>¦<col>¦<caption>¦<input>¦python"
)
marks = st.lists(st.sampled_from(PIECES.split("¦")), max_size=40).map("".join)


@given(st.text() | marks)
def test_any_text_renders_and_the_result_is_settled(source: str) -> None:
    post, comment = render(source), render_comment(source)

    assert sanitise_post(post) == post
    assert sanitise_comment(comment) == comment
    assert list(faults(post)) == list(faults(comment)) == []


@pytest.mark.parametrize(
    "mark",
    ["[", "![", "[^", "^[", "*a **a ", "`a``b", "> ", "- [ ] a\n", "# a\n", "[a](", "<b>", "<a ", "|a|b|\n|-|-|\n"],
)
def test_hostile_repetition_finishes(mark: str) -> None:
    source = (mark * 20_000)[:20_000]

    assert isinstance(render(source), str)
    assert isinstance(render_comment(source), str)


def test_html_deeper_than_browsers_build_is_shown_as_text() -> None:
    assert render("<div>" * 52_000).startswith("&lt;div&gt;&lt;div&gt;")
    assert render("<div>" * 200 + "deep").count("<div>") == 200


def test_the_same_source_always_gives_the_same_bytes() -> None:
    source = '![a](b) <img src="c"> <input>\n\n- [x] d\n\n|e|\n|-|\n|f|\n\n[g](h "i")\n\n```python\nj = 1\n```'

    assert len({render(source) for _ in range(50)}) == len({render_comment(source) for _ in range(50)}) == 1


def test_threads_agree_with_each_other() -> None:
    sources = [f"# {n}\n\nhttps://{n}.example [^a]\n\n[^a]: {n}\n\n```python\nx = {n}\n```" for n in range(40)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(render, sources)) == [render(source) for source in sources]


def test_the_version_can_be_stored_beside_the_html() -> None:
    assert RENDERER_VERSION >= 1
