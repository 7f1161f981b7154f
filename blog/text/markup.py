"""The amount of markup in a Markdown text, which decides how long its rendering takes."""

import re

MAX_MARKUP = 20_000
"""Rendering takes up to 0.04 ms for each mark. A text of 256 KiB has some 10,000."""
_MARKS_PER_CODE_BLOCK = 10
_MORE_MARKS_PER_LINK = 4

# Within a fence nothing is markup. It ends at a fence of the same characters, or with the text.
_CODE_BLOCK = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:.*?^ {0,3}\1|.*\Z)", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"[\n!#&*:<>@\[\]_`|~]")
_BARE_LINK = re.compile(r"://|@")


def count_markup(source: str) -> int:
    """Return the number of line ends and of characters that may be Markdown.

    A code block counts as ten, a URL or an e-mail address as five: their highlighting and linking take longer.
    """
    text, code_blocks = _CODE_BLOCK.subn("", source)
    links = len(_BARE_LINK.findall(text))
    return len(_MARK.findall(text)) + links * _MORE_MARKS_PER_LINK + code_blocks * _MARKS_PER_CODE_BLOCK
