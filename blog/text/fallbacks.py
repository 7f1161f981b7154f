"""Plain HTML for programs that show less than a browser: feed readers, and clients of the API."""

import re
from typing import Final

# Sanitised HTML writes every attribute as name="value", and closes every element.
_FORMULA: Final = re.compile(r'<math(?:\s[^\s=>]+="[^"]*")*?\salttext="([^"]*)"(?:\s[^\s=>]+="[^"]*")*>.*?</math>', re.DOTALL)


def with_plain_formulas(html: str) -> str:
    """Return HTML from `render` in which formulas are their source in LaTeX: most readers drop MathML but keep its text."""
    return _FORMULA.sub(r"<code>\1</code>", html) if "<math" in html else html
