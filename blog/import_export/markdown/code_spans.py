"""Regular expressions that find code in Markdown, so that only prose is rewritten."""

import re

_PREFIX = r"^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*"
FENCED_CODE = (
    rf"(?P<fenced>{_PREFIX}(?P<fence>`{{3,}}(?=[^`\n]*$)|~{{3,}})[^\n]*"
    r"(?s:.*?)(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z))"
)
"""A fenced code block, also in a list or quotation, to its end or to the end of the text. Needs `re.MULTILINE`."""

# At most 2,000 characters: without a limit, stray backticks take time quadratic in the length of the text.
INLINE_CODE = r"(?P<inline>(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)(?s:.)){1,2000}?(?<!`)(?P=ticks)(?!`))"
"""A code span within a paragraph."""


def compile_outside_code(pattern: str) -> re.Pattern[str]:
    """Compile a pattern that matches outside code. The result also matches code: see `is_code`."""
    return re.compile(f"{FENCED_CODE}|{INLINE_CODE}|{pattern}", re.MULTILINE)


def is_code(match: re.Match[str]) -> bool:
    """Return whether a match of `compile_outside_code` is code, which callers leave unchanged."""
    return match["fenced"] is not None or match["inline"] is not None
