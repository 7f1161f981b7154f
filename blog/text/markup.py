"""The amount of markup in a Markdown text, which decides how long its rendering takes."""

import re

MAX_MARKUP = 20_000
"""Rendering takes up to 0.04 ms for each mark. A text of 256 KiB has some 10,000."""
_MARKS_PER_CODE_BLOCK = 10

# Within a fence nothing is markup. It ends at a fence of the same characters, or with the text.
_CODE_BLOCK = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:.*?^ {0,3}\1|.*\Z)", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"[\n!#&*:<>@\[\]_`|~]")


def count_markup(source: str) -> int:
    """Return the number of line ends and of characters that may be Markdown. A code block counts as ten."""
    text, code_blocks = _CODE_BLOCK.subn("", source)
    return len(_MARK.findall(text)) + code_blocks * _MARKS_PER_CODE_BLOCK
