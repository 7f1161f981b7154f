"""Pasting into the editor and its menu of blocks, in a real browser. The samples have the structure that programs write."""

import pytest
from playwright.sync_api import Page, expect

from tests.web.posts.test_editor_browser import context, page, select, server, site, text
from tests.web.test_live_page import Site

__all__ = ["context", "page", "server", "site"]

PASTE = """([html, plain]) => {
  const area = document.getElementById("field-content");
  area.focus();
  const data = new DataTransfer();
  if (html) data.setData("text/html", html);
  data.setData("text/plain", plain);
  const event = new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: data});
  if (area.dispatchEvent(event)) document.execCommand("insertText", false, plain);
}"""

GOOGLE_DOCS = """<meta charset="utf-8"><b style="font-weight:normal;" id="docs-internal-guid-0"><h1 dir="ltr"><span
 style="font-size:20pt;font-weight:400;">Looms</span></h1><p dir="ltr"><span style="font-weight:700;">Bold</span><span
 style="font-weight:400;"> and </span><span style="font-style:italic;">slanted</span>, <a
 href="https://www.google.com/url?q=https://example.org/a&amp;sa=D"><span style="text-decoration:underline;">a link</span></a></p>
<ul><li dir="ltr"><p dir="ltr"><span>one</span></p></li><li><p>two</p></li><ul><li><p>inner</p></li></ul></ul>
<table><tbody><tr><td><p><span style="font-weight:700">Year</span></p></td><td><p>Looms</p></td></tr><tr><td><p>1801</p></td><td>
<p>4|5</p></td></tr></tbody></table></b>"""
WORD = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal { margin: 0 }</style></head><body>
<!--StartFragment--><h1>Looms<o:p></o:p></h1><p class=MsoNormal>Some <b>bold</b> words.<o:p></o:p></p>
<p class=MsoListParagraphCxSpFirst style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span
 style='mso-list:Ignore'>1.<span style='font:7.0pt "Times New Roman"'>&nbsp; </span></span><![endif]>one</p>
<p class=MsoListParagraphCxSpMiddle style='mso-list:l0 level2 lfo1'><span style='mso-list:Ignore'>o </span>inner</p>
<p class=MsoListParagraphCxSpLast style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>2. </span>two</p>
<p class=MsoNormal><img src="file:///C:/a.png"></p><!--EndFragment--></body></html>"""
WIKIPEDIA = """<h2><span class="mw-headline">History</span><span class="mw-editsection">[<a href="https://e.example/">edit</a>]</span>
</h2><p>The <b>loom</b><sup class="reference"><a href="#cite-1">[1]</a></sup> was <a
 href="https://e.example/wiki/J" title="J">built</a>.</p>"""
GITHUB = """<h2 dir="auto"><a class="anchor" aria-hidden="true" href="#x"><svg></svg></a>Install</h2><div class="highlight
 highlight-source-python"><pre><span class="pl-k">import</span> os</pre></div><ul class="contains-task-list"><li
 class="task-list-item"><input type="checkbox" checked disabled> done</li></ul>"""
NEWS = """<article><h1>Headline</h1><figure><img src="https://n.example/a.jpg" alt="A loom"></figure><p>Para <em>one</em>.</p>
<blockquote><p>Quote</p></blockquote><script>alert(1)</script></article>"""
SAMPLES = {
    "Google Docs": (
        GOOGLE_DOCS,
        "## Looms\n\n**Bold** and *slanted*, [a link](https://example.org/a)\n\n- one\n- two\n  - inner\n\n"
        "| Year | Looms |\n| --- | --- |\n| 1801 | 4\\|5 |",
    ),
    "Word": (WORD, "## Looms\n\nSome **bold** words.\n\n1. one\n   - inner\n2. two"),
    "Wikipedia": (WIKIPEDIA, "## History\n\nThe **loom** was [built](https://e.example/wiki/J)."),
    "GitHub": (GITHUB, "## Install\n\n```python\nimport os\n```\n\n- [x] done"),
    "news page": (NEWS, "## Headline\n\n![A loom](https://n.example/a.jpg)\n\nPara *one*.\n\n> Quote"),
}


def paste(page: Page, html: str, plain: str) -> None:
    page.evaluate(PASTE, [html, plain])


@pytest.mark.parametrize("name", SAMPLES)
def test_formatted_text_becomes_markdown(site: Site, page: Page, name: str) -> None:
    html, markdown = SAMPLES[name]
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(f"{site.base}/write")
    paste(page, html, "plain words")
    expect(text(page)).to_have_value(markdown)
    page.get_by_role("button", name="Use plain text instead").click()
    expect(text(page)).to_have_value("plain words")
    assert refused == []


def test_image_of_a_local_file_is_reported(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    paste(page, WORD, "plain words")
    page.get_by_text("One image could not be pasted. Add it as a file.").wait_for()


def test_plain_text_and_text_in_code_stay_as_they_are(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    paste(page, "<meta charset='utf-8'><span>some *words*</span>", "some *words*")
    expect(text(page)).to_have_value("some *words*")
    text(page).fill("```\n")
    select(page, 4, 4)
    paste(page, "<b>bold</b>", "bold")
    expect(text(page)).to_have_value("```\nbold")


@pytest.mark.parametrize(
    ("selection", "clipboard", "expected"),
    [
        ((0, 4), "https://example.org/", "[some](https://example.org/) words"),
        ((0, 4), "https://example.org/a_(b)", "[some](https://example.org/a_%28b%29) words"),
        ((4, 4), "https://example.org/", "somehttps://example.org/ words"),
        ((0, 4), "two words", "two words words"),
    ],
)
def test_address_over_a_selection_becomes_a_link(
    site: Site, page: Page, selection: tuple[int, int], clipboard: str, expected: str
) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("some words")
    select(page, *selection)
    paste(page, "", clipboard)
    expect(text(page)).to_have_value(expected)


def test_slash_opens_the_menu_of_blocks(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    text(page).focus()
    menu = page.get_by_role("listbox", name="Blocks")
    page.keyboard.type("a/b")
    expect(menu).to_be_hidden()
    text(page).fill("")
    page.keyboard.type("One\n/")
    expect(menu.get_by_role("option")).to_have_count(12)
    page.keyboard.type("ta")
    expect(menu.get_by_role("option")).to_have_text(["Table"])
    page.keyboard.press("Enter")
    expect(text(page)).to_have_value("One\n\n| Column | Column |\n| --- | --- |\n| Cell | Cell |\n\n")
    text(page).fill("")
    page.keyboard.type("/d")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.keyboard.type("\n/")
    menu.get_by_role("option", name="Divider").click()
    expect(text(page)).to_have_value("/d\n\n---\n\n")
