"""Rendering of Markdown: CommonMark conformance, extensions, and safety."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text import mathml
from blog.text.highlighting import MAX_HIGHLIGHTED_BYTES
from blog.text.markdown import RENDERER_VERSION, commonmark, render, render_comment
from blog.text.sanitiser import ID_PREFIX, sanitise_comment, sanitise_post

Attributes = dict[str, str | None]


class Elements(HTMLParser):
    """The elements of an HTML fragment, in document order, with decoded attribute values."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.items: list[tuple[str, Attributes]] = []
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.items.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[Attributes]:
        return [attributes for name, attributes in self.items if name == tag]


def corpus(*parts: str) -> Path:
    folder = os.environ.get("BLOG_TEST_CORPUS")
    if not folder:
        pytest.skip("BLOG_TEST_CORPUS is not set")
    return Path(folder, *parts)


# Conformance


def without_insignificant_newline(html: str) -> str:
    """Normalise empty quotes, as the test runner of the specification does."""
    return html.replace("<blockquote>\n</blockquote>", "<blockquote></blockquote>")


def test_all_examples_of_the_commonmark_specification() -> None:
    examples = json.loads(corpus("conformance", "commonmark-0.31.2.json").read_text("utf-8"))

    wrong = [
        case["example"]
        for case in examples
        if without_insignificant_newline(commonmark().render(case["markdown"])) != without_insignificant_newline(case["html"])
    ]
    assert len(examples) > 600
    assert wrong == []


def test_extensions_do_not_change_plain_commonmark() -> None:
    source = 'A *b* **c** `d` <https://e.example/>\n\n> f\n\n1. g\n2. h\n\n---\n\n[i](/j "k")\n'

    expected = commonmark().render(source).replace("<hr />", "<hr>")
    assert render(source).replace(' rel="noopener"', "") == expected


# Posts


def test_tables_scroll_and_align_without_inline_styles() -> None:
    html = render("|a|b|\n|:-|-:|\n|c|d|\n\n|e|\n|-|\n|f|")
    regions = Elements(html).named("div")

    assert [region["aria-label"] for region in regions] == ["Table 1", "Table 2"]
    assert all(r["class"] == "table-scroll" and r["tabindex"] == "0" and r["role"] == "region" for r in regions)
    assert '<th class="align-left">a</th>' in html
    assert '<td class="align-right">d</td>' in html


def test_strikethrough_and_bare_urls() -> None:
    assert render("~~gone~~") == "<p><s>gone</s></p>\n"
    assert Elements(render("see https://example.org/a_b, or a@b.org")).named("a") == [
        {"href": "https://example.org/a_b", "rel": "noopener"},
        {"href": "mailto:a@b.org", "rel": "noopener"},
    ]


def test_file_names_are_not_links() -> None:
    assert "<a" not in render("README.md main.rs //comment.rs ftp://x.example/")


def test_task_items_are_labelled_disabled_checkboxes() -> None:
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


def test_headings_have_unique_ids_that_links_can_use() -> None:
    elements = Elements(render("# Café\n\n## Café\n\n## Café 2\n\n### 😀\n\n#### `x` *y*\n\n[up](#cafe)"))
    ids = [str(attributes["id"]) for tag, attributes in elements.items if tag.startswith("h")]

    assert ids == ["c-cafe", "c-cafe-2", "c-cafe-2-2", "c-section", "c-x-y"]
    assert [link["href"] for link in elements.named("a") if "href" in link] == ["#c-cafe"]


def test_footnotes_link_both_ways_and_never_clash_with_headings() -> None:
    html = render("# fn1\n\na[^x] b[^x] c^[inline]\n\n[^x]: note")
    ids = [attributes["id"] for _, attributes in Elements(html).items if "id" in attributes]
    targets = {str(link["href"]) for link in Elements(html).named("a") if "href" in link}

    assert len(ids) == len(set(ids)) == 6
    assert targets == {f"#{i}" for i in ids} - {"#c-fn1"}
    assert 'aria-label="Back to reference 1"' in html


def test_documents_on_one_page_have_distinct_ids() -> None:
    source = "# Same\n\na[^x]\n\n[^x]: note"
    one, two = ({a["id"] for _, a in Elements(render(source, d)).items if "id" in a} for d in ("12", "13"))

    assert len(one) == len(two) == 3
    assert one.isdisjoint(two)


def test_images_load_lazily_also_in_raw_html() -> None:
    images = Elements(render('![alt](/a.png)\n\n<img src="/b.png" loading="eager" onerror="x()">')).named("img")

    assert images[0] == {"src": "/a.png", "alt": "alt", "loading": "lazy", "decoding": "async"}
    assert images[1] == {"src": "/b.png", "loading": "lazy", "decoding": "async"}


def test_code_is_highlighted_by_class_and_focusable() -> None:
    html = render("```rust,no_run\nfn main() {}\n```")

    assert html.startswith('<pre class="highlight" tabindex="0"><code class="language-rust"><span class="k">fn</span>')
    assert Elements(render("    indented")).named("pre") == [{"class": "highlight", "tabindex": "0"}]


@pytest.mark.parametrize(
    "code",
    ["x = 1\n" * (MAX_HIGHLIGHTED_BYTES // 6 + 1), "x" * 1001, "x" + "\n " * 40, "a\n" * 500],
    ids=["too big", "long line", "blank lines", "words without end"],
)
def test_code_that_is_slow_to_highlight_stays_plain(code: str) -> None:
    html = render(f"```csharp\n{code}\n```")

    assert "<span" not in html
    assert f'<code class="language-csharp">{code}\n</code>' in html


def test_an_unknown_language_is_named_but_not_highlighted() -> None:
    assert '<code class="language-klingon">a &lt; b\n</code>' in render("```klingon\na < b\n```")
    assert "<code>a\n</code>" in render('```"><script>\na\n```')


def test_raw_html_is_reduced_to_allowed_elements() -> None:
    html = render('<details open onclick="x()"><summary>s</summary>\n\n*t*\n\n</details>\n\n<p id="location" class="btn">u</p>')

    assert '<details open=""><summary>s</summary>' in html
    assert "<em>t</em>" in html
    assert '<p id="c-location"><a name="location" rel="noopener"></a>u</p>' in html


# Comments


def test_comments_may_contain_phrases_lists_quotes_and_code() -> None:
    html = render_comment("*a* **b** `c`\n\n- d\n\n1. e\n\n> f\n\n```python\nimport g\n```")

    tags = {tag for tag, _ in Elements(html).items}
    assert tags == {"p", "em", "strong", "code", "ul", "ol", "li", "blockquote", "pre", "span"}


def test_links_in_comments_are_nofollow() -> None:
    links = Elements(render_comment("[a](https://a.example) https://b.example")).named("a")

    assert [link["rel"] for link in links] == ["nofollow ugc noopener"] * 2


def test_comments_show_other_markup_as_text() -> None:
    html = render_comment("# a\n\nb\n===\n\n<b>c</b>\n\n|d|\n|-|\n\n![e](/f.png)\n\n***")

    assert {tag for tag, _ in Elements(html).items} == {"p", "a"}
    assert "# a" in html
    assert "&lt;b&gt;c&lt;/b&gt;" in html
    assert "***" in html


# Safety


FORBIDDEN = {
    "script",
    "iframe",
    "object",
    "embed",
    "style",
    "svg",
    "mglyph",
    "annotation-xml",
    "source",
    "form",
    "base",
    "meta",
    "link",
    "template",
}
URL_ATTRIBUTES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "cite", "background", "xlink:href"}
FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def find_dangers(html: str) -> Iterator[str]:
    """Yield the dangerous elements and attributes of a fragment, as a browser would parse it."""
    for formula in FORMULA.findall(html):
        yield from (f"math {tag}" for tag, _ in Elements(formula).items if tag not in mathml.ELEMENTS)
    for tag, attributes in Elements(html).items:
        if tag in FORBIDDEN:
            yield tag
        for name, value in attributes.items():
            if name.startswith("on") or name in {"style", "srcdoc"}:
                yield f"{tag} {name}"
            if name == "src" and tag in {"audio", "video"} and (value or "").startswith(("http", "//", "/\\")):
                yield f"{tag} of another site"
            if name == "name" and tag != "a":  # no browser exposes `<a name>` on `window` or `document`
                yield f"{tag} name"
            if name == "id" and not (value or "").startswith(ID_PREFIX):
                yield f"{tag} id={value}"
            if name in URL_ATTRIBUTES and (scheme := scheme_of(value or "")) not in {"", "http", "https", "mailto"}:
                yield f"{tag} {name} {scheme}:"


def scheme_of(url: str) -> str:
    """Return the scheme as the most lenient browser would read it: without control characters."""
    match = SCHEME.match(re.sub(r"[\x00-\x1f\x7f]", "", url).lstrip(" "))
    return match[1].lower() if match else ""


@pytest.mark.parametrize(
    "html",
    [
        "<script>x</script>",
        '<a href="java&#x0A;script:x">',
        "<p onclick=x>",
        '<p style="color:red">',
        "<p id=location>",
        "<img name=location>",
        '<img src="DATA:text/html,x">',
        "<math><mtext><p>x</p></mtext></math>",
        "<video src=//x.example/a.mp4>",
    ],
)
def test_dangers_are_detected(html: str) -> None:
    assert list(find_dangers(html))


@pytest.mark.parametrize(
    "url",
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
def test_only_web_and_mail_urls_are_allowed(url: str) -> None:
    source = f'<a href="{url}">a</a> <img src="{url}">\n\n[b](<{url}>) ![c](<{url}>) <{url}>'

    for html in (render(source), render_comment(source)):
        assert list(find_dangers(html)) == []
        assert not any(unquote(str(a.get("href", ""))).strip().lower().startswith("javascript:") for _, a in Elements(html).items)


def test_posts_cannot_use_the_styles_of_the_page() -> None:
    html = render('<div class="toolbar highlight" role="alert" tabindex="5" aria-label="x">a</div><input type="password">')

    assert '<div class="highlight" aria-label="x">' in html
    assert Elements(html).named("input") == [{"type": "checkbox", "disabled": ""}]


def test_unpaired_surrogates_are_replaced() -> None:
    assert render("a\ud800b") == "<p>a\ufffdb</p>\n"
    assert render("```python\n'\udfff'\n```").count("\ufffd") == 1


# Fragments that interact badly, separated by a character that none of them contains.
PIECES = (
    "*¦**¦_¦`¦```\n¦\n¦\n\n¦    ¦- ¦[ ] ¦1. ¦> ¦# ¦|¦|-|\n¦[¦](¦)¦![¦^[¦[^a]¦[^a]: ¦~~¦x¦\\¦\x00¦\r¦é"
    "¦python¦http://a.b¦a@b.cd¦<b>¦</b>¦<p>¦</p>¦<table>¦<td>¦<pre>\n¦<a href=x>¦<¦>¦&#13;¦&lt;¦<!--¦-->¦<svg>"
    "¦<style>¦<math>¦<li>¦<ul>¦<h1>¦<details>¦<summary>¦<section>¦<ruby>¦<rt>¦<col>¦<caption>¦<input>¦python"
    "¦$¦$$\n¦\\frac¦{¦}¦\\text{¦==¦~¦^¦*[a]: b\n¦: ¦[!NOTE]\n¦ {#a}¦![a](b.mp4)¦<video src=//a>¦<math>¦</math>¦<mtext>¦<mi>"
)
marks = st.lists(st.sampled_from(PIECES.split("¦")), max_size=40).map("".join)


@given(st.text() | marks)
def test_any_text_renders_and_sanitising_again_changes_nothing(source: str) -> None:
    post, comment = render(source), render_comment(source)

    assert sanitise_post(post) == post
    assert sanitise_comment(comment) == comment
    assert list(find_dangers(post)) == list(find_dangers(comment)) == []


@pytest.mark.parametrize(
    "mark",
    [
        "[",
        "![",
        "[^",
        "^[",
        "$a",
        "$$\n",
        "==",
        "==a ",
        "a~b",
        "*[a]: b\n",
        "a\n: ",
        "> [!NOTE]\n",
        "*a **a ",
        "`a``b",
        "> ",
        "- [ ] a\n",
        "# a\n",
        "[a](",
        "<b>",
        "<a ",
        "|a|b|\n|-|-|\n",
    ],
)
def test_hostile_repetition_takes_bounded_time(mark: str) -> None:
    source = (mark * 20_000)[:20_000]

    assert isinstance(render(source), str)
    assert isinstance(render_comment(source), str)


def test_extremely_deep_html_is_shown_as_text() -> None:
    assert render("<div>" * 52_000).startswith("&lt;div&gt;&lt;div&gt;")
    assert render("<div>" * 200 + "deep").count("<div>") == 200


def test_rendering_is_deterministic() -> None:
    source = '![a](b) <img src="c"> <input>\n\n- [x] d\n\n|e|\n|-|\n|f|\n\n[g](h "i")\n\n```python\nj = 1\n```'

    assert len({render(source) for _ in range(50)}) == len({render_comment(source) for _ in range(50)}) == 1


def test_rendering_is_thread_safe() -> None:
    sources = [f"# {n}\n\nhttps://{n}.example [^a]\n\n[^a]: {n}\n\n```python\nx = {n}\n```" for n in range(40)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(render, sources)) == [render(source) for source in sources]


SAMPLE = """# One *two*

<b>three</b> https://four.example [five](six "seven") ![eight](nine.png) [^a] ~~ten~~

- [x] eleven

|a|
|-|
|b|

![eight](nine.png "thirteen"){.wide}

[^a]: twelve

## Thirteen {#fourteen}

> [!NOTE]
> ==Fifteen== H~2~O $x^2$ ![sixteen](seventeen.mp4)

Eighteen
: *[nineteen]: twenty

https://youtu.be/dQw4w9WgXcQ

> [!BOOKMARK]
> [twenty-one](https://example.org/)
"""


def test_renderer_version_changes_with_the_html() -> None:
    digest = hashlib.sha256((render(SAMPLE) + render_comment(SAMPLE)).encode()).hexdigest()
    assert (RENDERER_VERSION, digest[:16]) == (5, "aeb8b0d8b4f72c18"), (
        "increment RENDERER_VERSION, so that stored texts are rendered again"
    )
