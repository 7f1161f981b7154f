"""The names of what the sanitiser removed."""

import time

import pytest

from blog.text.markdown import render_both
from blog.text.removed_markup import MAX_NAMES, removed_markup


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("Plain *words*, `code`, a [link](https://example.org/) and ![an image](/media/a.png).", []),
        ("| a | b |\n|:-:|---|\n| 1 | 2 |\n\n- [x] done\n\nword[^1]\n\n[^1]: note", []),
        ("<script>alert(1)</script>\n\ntext", ["<script>"]),
        ("<p onclick='x()' style='color: red'>text</p>", ["onclick of <p>", "style of <p>"]),
        ("[link](javascript:x) and <a href='javascript:x'>link</a>", ["href of <a>"]),
        ("<iframe src='https://example.org/' width='1'></iframe>", ["<iframe>"]),
        ("<b>bold</b> <b><font color='red'>red</font></b>", ["<font>"]),
        ("<a href='/' target='_blank' rel='me'>link</a>", []),
        ("`<script>` in code and &lt;script&gt; as text", []),
        ("<!-- <script>x</script> -->", []),
        ("<P ONCLICK=x>text</P>", ["onclick of <p>"]),
        ("```js\n<script>alert(1)</script>\n```", []),
    ],
)
def test_removed_markup_is_named(source: str, names: list[str]) -> None:
    html, unsafe = render_both(source)
    assert removed_markup(unsafe, html) == names


def test_long_lists_end_with_an_ellipsis() -> None:
    html, unsafe = render_both("<p " + " ".join(f"on{number}='x'" for number in range(50)) + ">text</p>")
    names = removed_markup(unsafe, html)
    assert (len(names), names[-1]) == (MAX_NAMES + 1, "…")


@pytest.mark.parametrize(
    "piece", ["<!--x ", "<![", "<a ", "</a ", "<a href='", "<?x ", "<script>", "<a b='c' ", "<a b=c>", "-->"]
)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    started = time.process_time()
    removed_markup(piece * (1_048_576 // len(piece)), "")
    assert time.process_time() - started < 5, "the parser of the standard library takes minutes, or fails"
