"""Markdown in text of other scripts: bare URLs next to other punctuation, and emphasis next to CJK punctuation."""

import re
import time

import pytest

from blog.text.markdown import render, render_comment


def links(source: str) -> list[str]:
    return re.findall(r"<a [^>]*>(.*?)</a>", render(source))


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("“https://example.com/a”", "https://example.com/a"),
        ("‘https://example.com/a’", "https://example.com/a"),
        ("„https://example.com/a“", "https://example.com/a"),
        ("«https://example.com/a»", "https://example.com/a"),
        ("‹https://example.com/a›", "https://example.com/a"),
        ("https://example.com/a…", "https://example.com/a"),
        ("https://example.com/a—and", "https://example.com/a"),
        ("“https://example.com/a.”", "https://example.com/a"),
        ("（https://example.com/a）", "https://example.com/a"),
        ("「https://example.com/a」と", "https://example.com/a"),
        ("见https://example.com/a。后面", "https://example.com/a"),
        ("https://example.com/a，后面", "https://example.com/a"),
        ("https://example.com/a！", "https://example.com/a"),
        ("https://example.com/a،", "https://example.com/a"),
        ("https://example.com/a।", "https://example.com/a"),
        ("https://example.com。后面", "https://example.com"),
        ("https://example.com입니다", "https://example.com"),
        ("https://example.comです/x", "https://example.com"),
        ("https://example.com中文", "https://example.com"),
        ("https://example.comи", "https://example.com"),
        ("https://example.com:8080です", "https://example.com:8080"),
        ("https://例え.jpです", "https://例え.jp"),
        ("https://x.org/a_(b)。", "https://x.org/a_(b)"),
        ("**https://example.com/a**。", "https://example.com/a"),
    ],
)
def test_bare_url_ends_before_what_follows(source: str, url: str) -> None:
    assert links(source) == [url]
    assert re.findall(r"<a [^>]*>(.*?)</a>", render_comment(source)) == [url]
    text = re.sub("<[^>]+>", "", render(source)).strip()
    assert text == source.replace("**", "")


@pytest.mark.parametrize(
    "source",
    [
        "a@example.com입니다", "문의: a@example.com으로", "이메일:a@example.com", "a@example.com联系", "邮箱：a@example.com。",
        "邮箱a@example.com",
        "a@example.comへ", "（a@example.com）", "「a@example.com」", "“a@example.com”", "«a@example.com»", "‘a@example.com’",
        "a@example.comค่ะ", "ติดต่อa@example.com", "a@example.comشكرا", "a@example.com،", "a@example.com！", "a@example.com…",
        "a@example.com—b", "(a@example.com).", "<p@x>, a@example.com",
    ],
)  # fmt: skip
def test_bare_email_address_ends_before_what_follows(source: str) -> None:
    assert '<a href="mailto:a@example.com"' in render(source)
    assert "a@example.com" in links(source)


@pytest.mark.parametrize(
    "source", ["a@example.com입니다", "a@example.comです", "a@example.comи", "a@example.com。", "a@example.com"]
)
def test_written_mailto_ends_before_what_follows(source: str) -> None:
    assert links(f"mailto:{source}") == ["mailto:a@example.com"]


def test_email_addresses_between_cjk_text_are_separate_links() -> None:
    assert links("a@example.com，b@example.org、c@例え.jpです。") == ["a@example.com", "b@example.org", "c@例え.jp"]


@pytest.mark.parametrize(
    "source", ["rené@example.com", "a@example.comé", "a@example.comx", "a@example.com-b", "a@example.com:80", "a@b"]
)
def test_parts_of_words_are_no_email_addresses(source: str) -> None:
    assert links(source) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://ja.wikipedia.org/wiki/ジョン・レノン",
        "https://fr.wikipedia.org/wiki/L’Équipe",
        "https://en.wikipedia.org/wiki/Michelson–Morley_experiment",
        "https://x.org/?q=日本語",
        "https://пример.рф/а",
        "https://한국.kr/",
        "https://x.org/🎉",
    ],
)
def test_bare_url_may_contain_other_scripts(url: str) -> None:
    assert links(f"See {url} there") == [url]
    assert links(f"{url}.") == [url]


def test_two_urls_between_cjk_punctuation_are_two_links() -> None:
    assert links("https://example.com/a、https://example.com/b。") == ["https://example.com/a", "https://example.com/b"]


def test_written_links_keep_every_character() -> None:
    assert 'href="https://example.com/a%E2%80%9D"' in render("[x](https://example.com/a”)")
    assert 'href="https://example.com/%E3%80%82"' in render("<https://example.com/。>")


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("**这是粗体。**后面", "<strong>这是粗体。</strong>后面"),
        ("前**「強調」**後", "前<strong>「強調」</strong>後"),
        ("这是**“引用”**的", "这是<strong>“引用”</strong>的"),
        ("**このアスタリスク（補足）**は", "<strong>このアスタリスク（補足）</strong>は"),
        ("**이 별표(괄호)**은", "<strong>이 별표(괄호)</strong>은"),
        ("*强调。*后面", "<em>强调。</em>后面"),
        ("~~删除。~~后面", "<s>删除。</s>后面"),
        ("**「葛\U000e0100」**は", "<strong>「葛\U000e0100」</strong>は"),
        ("***両方。***後", "<em><strong>両方。</strong></em>後"),
        ("中文_强调_中文", "中文_强调_中文"),
        ("foo**(bar)**baz", "foo**(bar)**baz"),
        ("a **b** c", "a <strong>b</strong> c"),
        ("** 空 **", "** 空 **"),
    ],
)
def test_emphasis_next_to_cjk_text(source: str, html: str) -> None:
    assert render(source) == f"<p>{html}</p>\n"
    if "~" not in source:
        assert render_comment(source) == f"<p>{html}</p>\n"


def test_footnotes_of_a_comment_stay_text() -> None:
    html = render_comment("Well said[^1], [a].\n\n[^1]: https://example.org\n\n[a]: https://example.com\n")
    assert "Well said[^1], <a " in html
    assert "[^1]: <a " in html
    assert re.findall('href="([^"]+)"', html) == ["https://example.com", "https://example.org"]
    assert "[^note here]: x" in render("[^note here]: x")


@pytest.mark.parametrize("part", ["https://é。", "https://a.b中", "a@a.b中", "中a.", "中:a@", "**「", "https://x.org/（"])
def test_hostile_repetition_takes_linear_time(part: str) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        render(part * count)
        return time.process_time() - started

    render(part)
    assert seconds(8000) < 20 * max(seconds(2000), 0.01)
