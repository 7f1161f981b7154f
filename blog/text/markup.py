"""The amount of markup in a Markdown text, which decides how long its rendering takes."""

import re

MAX_MARKUP = 50_000
"""Rendering takes up to 0.04 ms for each mark. A text of 1 MiB has some 40,000."""
_MARKS_PER_CODE_BLOCK = 10
_MORE_MARKS_PER_LINK = 4

# Only fences without indentation, because one in a list item ends with the item. Without a closing fence, the text is code to its
# end. Each alternative ends exactly where the Markdown parser ends the block: a later end would hide markup from the limit.
_CODE_BLOCK = re.compile(
    r"^(`{3,})[^`\n]*$(?:.*?^ {0,3}\1`*[ \t]*$|.*\Z)|^(~{3,})[^\n]*$(?:.*?^ {0,3}\2~*[ \t]*$|.*\Z)", re.MULTILINE | re.DOTALL
)
_HTML_BLOCK = re.compile(r"^ {0,3}<", re.MULTILINE)
_MARK = re.compile(r"[\n!#$&*:<=>@\[\]^_`|~]")
_BARE_LINK = re.compile(r"://|@")


def count_markup(source: str) -> int:
    """Return the number of line ends and of characters that may be Markdown.

    A code block counts as ten, a URL or an e-mail address as five: their highlighting and linking take longer. Code in
    list items, and in texts with HTML blocks, is counted as text.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    text, code_blocks = _CODE_BLOCK.subn("", source)
    if _HTML_BLOCK.search(text):  # a fence inside an HTML block begins no code
        text, code_blocks = source, 0
    links = len(_BARE_LINK.findall(text))
    return len(_MARK.findall(text)) + links * _MORE_MARKS_PER_LINK + code_blocks * _MARKS_PER_CODE_BLOCK
