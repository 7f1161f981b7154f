"""Extensions of Markdown in posts: formulas, callouts, highlighted text, definitions, abbreviations, ids and players."""

import pytest

from blog.text.absolute_urls import make_urls_absolute
from blog.text.excerpt import excerpt
from blog.text.fallbacks import with_plain_formulas
from blog.text.markdown import render, render_comment
from blog.text.mathml import MAX_FORMULA_LENGTH, MAX_LENGTH
from blog.text.plain_text import has_visible_content, html_to_text


@pytest.mark.parametrize(
    ("source", "mathml"),
    [
        ("$E = mc^2$", "<mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup>"),
        ("$x$ is 5", "<mi>x</mi>"),
        ("(see $\\alpha$)", "<mi>α</mi>"),
        ("函数$f$是", "<mi>f</mi>"),
        ("$a\\$b$", "<mi>a</mi><mi>$</mi><mi>b</mi>"),
        ("| $a$ |\n|-|", "<mi>a</mi>"),
    ],
)
def test_formulas_within_a_line(source: str, mathml: str) -> None:
    html = render(source)

    assert f"<mrow>{mathml}</mrow></math>" in html
    assert '<math display="inline" alttext="' in html


@pytest.mark.parametrize(
    "source",
    [
        "$5 and $6",
        "US$5 or AU$6",
        "5$ to 6$",
        "$5/$6",
        "$HOME/$USER",
        "\\$a$",
        "$ a $",
        "$$",
        "a $b",
        "`$a$`",
        "$a `b$`",
        "$a\n\nb$",
    ],
)
def test_other_dollar_signs_stay_text(source: str) -> None:
    assert "<math" not in render(source)
    assert html_to_text(render(source)) == " ".join(source.replace("\\", "").replace("`", "").split())


@pytest.mark.parametrize("source", ["$$x^2$$", "$$\nx^2\n$$", "> $$\n> x^2\n> $$", "- $$x^2$$", "text\n$$\nx^2\n$$\nmore"])
def test_formulas_as_blocks(source: str) -> None:
    assert '<div class="math-block" tabindex="0"><math display="block" alttext="x^2"><mrow>' in render(source)


def test_aligned_equations_are_a_table() -> None:
    html = render("$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$")

    assert html.count("<mtr>") == 2
    assert html.count('<mtd columnalign="right">') == 2


@pytest.mark.parametrize("source", ["$$\na", "$$\n\na\n$$", "$$ a $$ b", "    $$a$$"])
def test_unfinished_blocks_are_no_formulas(source: str) -> None:
    assert "<math" not in render(source)


@pytest.mark.parametrize(
    "formula",
    ["\\frac", "{" * 200 + "}" * 200, "^" * 500, "\\newcommand{\\a}{bb}\\a", "x" * (MAX_FORMULA_LENGTH + 1)],
    ids=["error", "nested", "recursion", "definition", "long"],
)
def test_formulas_that_cannot_be_converted_show_their_source(formula: str) -> None:
    assert render(f"$$\n{formula}\n$$") == f'<div class="math-block" tabindex="0"><code>{formula}</code></div>\n'


def test_formulas_of_a_text_share_one_limit() -> None:
    formula = "$" + "x+" * 900 + "x$ "
    html = render(formula * 20)

    assert html.count("<math") == MAX_LENGTH // (1801 + 20)
    assert html.count("<code>") == 20 - html.count("<math")


def test_formulas_contain_only_mathml() -> None:
    html = render("<math><mtext><b>bold</b></mtext></math> $\\href{javascript:alert(1)}{\\style{color:red}{x}}$")

    assert "<math><mtext>bold</mtext></math>" in html
    assert "<math><mtext>nested</mtext></math>" in render("<math><mtext><math></math><p>nested</p></mtext></math>")
    assert 'alttext="\\href{javascript:alert(1)}{\\style{color:red}{x}}"><mrow><mrow><mrow><mrow><mi>x</mi>' in html


@pytest.mark.parametrize("kind", ["NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION", "note"])
def test_callouts_have_a_title(kind: str) -> None:
    title = f'<p class="callout-title"><strong>{kind.capitalize()}</strong></p>'

    expected = f'<div class="callout callout-{kind.lower()}" role="note">\n{title}\n<p>One <em>two</em></p>\n</div>\n'
    assert render(f"> [!{kind}]\n> One *two*") == render(f"> [!{kind}]  \n>\n> One *two*") == expected


def test_callouts_nest_and_may_contain_any_block() -> None:
    html = render("> [!NOTE]\n> - a\n>\n> > [!TIP]\n> > b\n\n- > [!CAUTION]\n  > c")

    assert html.count('role="note"') == 3
    assert html.count("<div") == html.count("</div>") == 3


@pytest.mark.parametrize("source", ["> [!NOTE]", "> [!OTHER]\n> a", "> [!NOTE] a", "[!NOTE]\na", "> a\n> [!NOTE]"])
def test_other_quotes_are_no_callouts(source: str) -> None:
    assert "callout" not in render(source)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("==a *b*==", "<mark>a <em>b</em></mark>"),
        ("这是==重点==内容", "这是<mark>重点</mark>内容"),
        ("[==a==](/b)", '<a href="/b" rel="noopener"><mark>a</mark></a>'),
        ("a==b and c==d", "a==b and c==d"),
        ("a == b, c === d, ==", "a == b, c === d, =="),
        ("H~2~O, x^2^, 29^th^", "H<sub>2</sub>O, x<sup>2</sup>, 29<sup>th</sup>"),
        ("~gone~ ~~s~~ ~/a:~/b", "~gone~ <s>s</s> ~/a:~/b"),
        ("a^b c^ :^) x^[", "a^b c^ :^) x^["),
    ],
)
def test_highlighted_subscript_and_superscript_text(source: str, html: str) -> None:
    assert render(source) == f"<p>{html}</p>\n"


def test_definition_lists() -> None:
    html = render("Term *one*\n: First\n: Second\n\nText")

    assert html == "<dl>\n<dt>Term <em>one</em></dt>\n<dd>First</dd>\n<dd>Second</dd>\n</dl>\n<p>Text</p>\n"


def test_abbreviations_are_explained_as_whole_words() -> None:
    html = render('CSS, `CSS`, XCSS and CSS3.\n\n*[CSS]: Cascading "Style" Sheets\n*[CSS]: other\n\n*[link](/a)*')

    explained = '<abbr title="Cascading &quot;Style&quot; Sheets">CSS</abbr>'
    link = '<p><em><a href="/a" rel="noopener">link</a></em></p>\n'
    assert html == f"<p>{explained}, <code>CSS</code>, XCSS and CSS3.</p>\n{link}"


def test_headings_may_have_a_written_id() -> None:
    html = render("# Title\n\n## Other {#title}\n\n### More {#title}\n\n#### {#alone}\n\n##### `x` {#fn:1}\n\n[a](#title)")
    ids = [part.partition('"')[0] for part in html.split(' id="')[1:]]

    assert ids == ["c-title-3", "c-title", "c-title-2", "c-alone", "c-x-fn-1"]
    assert '<a name="title" rel="noopener"></a>Other</h2>' in html
    assert 'href="#c-title"' in html


def test_uploaded_audio_and_video_get_a_player() -> None:
    html = render("![The *talk*](/media/a.mp4) ![](b.MP3?v=1)")

    link = '<a href="/media/a.mp4" rel="noopener">The talk</a>'
    assert f'<video controls="" preload="metadata" src="/media/a.mp4" aria-label="The talk">{link}</video>' in html
    assert (
        '<audio controls="" preload="metadata" src="b.MP3?v=1"><a href="b.MP3?v=1" rel="noopener">b.MP3?v=1</a></audio>' in html
    )


def test_players_never_load_files_of_other_sites() -> None:
    html = render('![talk](https://e.example/a.mp4)\n\n<video src="//e.example/a.mp4" autoplay poster="/a.png">a</video>')

    assert '<a href="https://e.example/a.mp4" rel="noopener">talk</a>' in html
    assert '<video controls="" preload="metadata">a</video>' in html


def test_mermaid_stays_code() -> None:
    assert '<code class="language-mermaid">graph TD\n</code>' in render("```mermaid\ngraph TD\n```")


def test_comments_have_no_extensions() -> None:
    html = render_comment("$a$ ==b== c~2~\n\n> [!NOTE]\n> d\n\nTerm\n: e\n\n*[c]: f\n\n![g](/a.mp4)")

    assert not any(tag in html for tag in ("<math", "<mark", "<sub", "<div", "<dl", "<abbr", "<video"))


TEXT = "Where $\\alpha_{i}$ is small.\n\n$$\n\\frac{a}{b}\n$$\n\n> [!NOTE]\n> H~2~O ==is== wet.\n\n![Talk](/media/a.mp4)"


def test_search_finds_formulas_without_their_markup() -> None:
    assert html_to_text(render(TEXT)) == "Where alpha_i is small. frac a b Note H2O is wet. Talk"


def test_excerpts_contain_sentences_only() -> None:
    assert excerpt(render(TEXT)) == "Where alpha_i is small. H2O is wet."


@pytest.mark.parametrize("source", ["$x$", "![](a.mp4)", "> [!NOTE]\n> a"])
def test_formulas_and_players_are_visible_content(source: str) -> None:
    html = render(source)
    assert has_visible_content(html, html_to_text(html))


def test_feeds_and_api_contain_the_source_of_formulas() -> None:
    html = with_plain_formulas(render('$a < \\text{"b"}$ and\n\n$$\nc\n$$'))

    assert (
        html
        == '<p><code>a &lt; \\text{&quot;b&quot;}</code> and</p>\n<div class="math-block" tabindex="0"><code>c</code></div>\n'
    )


def test_players_have_absolute_urls_in_feeds() -> None:
    html = make_urls_absolute(render("![a](/media/a.mp4)"), "https://blog.example/posts/x")

    assert html.count('"https://blog.example/media/a.mp4"') == 2
