"""Links on headings and boxes around code, which only pages have."""

import pytest

from blog.text.markdown import render
from blog.text.reading_aids import with_reading_aids


@pytest.mark.parametrize(
    ("markdown", "name"), [("## One *two*", "one-two"), ("# A {#later}", "later"), ("> ### In a quote", "in-a-quote")]
)
def test_heading_links_to_itself(markdown: str, name: str) -> None:
    assert f' <a class="heading-link" href="#{name}" aria-label="Link to this section">#</a></h' in with_reading_aids(
        render(markdown)
    )


def test_each_heading_gets_its_own_link() -> None:
    html = with_reading_aids(render("## One\n\ntext\n\n<h2>no id</h2>\n\n## Two"))
    assert [part.split('"')[0] for part in html.split('href="#')[1:]] == ["one", "two"]


def test_code_is_in_a_box_that_names_its_language() -> None:
    html = with_reading_aids(render("```python\na\n```\n\n    b\n\n`c`"))
    assert html.count('<div class="code-block"') == 2
    assert html.startswith('<div class="code-block" data-language="python"><pre class="highlight" tabindex="0">')
    assert '<div class="code-block"><pre class="highlight" tabindex="0"><code>b' in html


def test_stored_html_has_neither() -> None:
    html = render("## One\n\n    code")
    assert "heading-link" not in html
    assert "code-block" not in html
    assert with_reading_aids(render("Only *text*.")) == render("Only *text*.")
