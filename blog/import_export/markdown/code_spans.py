"""Where the code is in Markdown, for rewriting only what is prose."""

import re

_PREFIX = r"^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*"
FENCED_CODE = (
    rf"(?P<fenced>{_PREFIX}(?P<fence>`{{3,}}(?=[^`\n]*$)|~{{3,}})[^\n]*"
    r"(?s:.*?)(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z))"
)
"""A fenced code block, also in a list or quotation, to its end or the end of the text; for re.MULTILINE."""

# The limit keeps stray backticks from costing the square of the text's length.
INLINE_CODE = r"(?P<inline>(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)(?s:.)){1,2000}?(?<!`)(?P=ticks)(?!`))"
"""A code span within a paragraph."""


def compile_outside_code(pattern: str) -> re.Pattern[str]:
    """A pattern that also matches all code: a match whose group `fenced` or `inline` is set is to be left as it is."""
    return re.compile(f"{FENCED_CODE}|{INLINE_CODE}|{pattern}", re.MULTILINE)


def is_code(match: re.Match[str]) -> bool:
    """Did a pattern made by `outside` find code?"""
    return match["fenced"] is not None or match["inline"] is not None
