"""Reading aids in texts on pages: a link on each heading, and the language of each code block.

The stored HTML, which feeds, e-mail and the API contain, has neither.
"""

import re
from typing import Final

# Sanitised HTML writes every attribute as name="value" and closes every heading. A heading with an id begins with an anchor.
_HEADING: Final = re.compile(r'(<h([1-6])\s[^>]*>\s*<a name="([^"]+)"[^>]*></a>.*?)</h\2>', re.DOTALL)
_CODE_BLOCK: Final = re.compile(r'<pre class="highlight"[^>]*><code(?: class="language-([^"]+)")?>.*?</code></pre>', re.DOTALL)


def with_reading_aids(html: str) -> str:
    """Return HTML from `render` with links to its headings and with boxes around code blocks.

    `static/js/reading.js` adds a button to each box. The box has the language in `data-language`, if the author named one.
    """
    html = _HEADING.sub(_linked_heading, html) if 'name="' in html else html
    return _CODE_BLOCK.sub(_code_box, html) if '<pre class="highlight"' in html else html


def _linked_heading(match: re.Match[str]) -> str:
    heading, level, name = match.groups()
    return f'{heading} <a class="heading-link" href="#{name}" aria-label="Link to this section">#</a></h{level}>'


def _code_box(match: re.Match[str]) -> str:
    language = f' data-language="{match[1]}"' if match[1] else ""
    return f'<div class="code-block"{language}>{match[0]}</div>'
