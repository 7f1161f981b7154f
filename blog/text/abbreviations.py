"""Abbreviations: the line `*[HTML]: HyperText Markup Language` explains the word wherever the text contains it."""

import re
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

MAX_ABBREVIATIONS: Final = 50
"""Further ones are ignored: each is compared at each position of the text."""
MAX_EXPLAINED: Final = 2_000
"""The maximum number of occurrences in a text that are explained."""
_DEFINITION: Final = re.compile(r"\*\[([^\[\]\\\n]{1,50})\]:[ \t]*(\S[^\n]{0,299})")
_KEY: Final = "abbreviations"


def abbreviation_plugin(parser: MarkdownIt) -> None:
    """Add abbreviations to a parser."""
    parser.block.ruler.before("reference", _KEY, _definition_rule, {"alt": ["paragraph", "reference"]})
    parser.core.ruler.push(_KEY, _explain)


def _definition_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    begin = state.bMarks[start] + state.tShift[start]
    if state.is_code_block(start) or not state.src.startswith("*[", begin):
        return False
    match = _DEFINITION.fullmatch(state.src[begin : state.eMarks[start]].rstrip())
    if not match or not match[1].strip():
        return False
    if not silent:
        known: dict[str, str] = state.env.setdefault(_KEY, {})
        if len(known) < MAX_ABBREVIATIONS:
            known.setdefault(match[1].strip(), match[2])
        state.line = start + 1
    return True


def _explain(state: StateCore) -> None:
    """Wrap occurrences as whole words in `<abbr>`. Code, formulas and raw HTML stay as they are."""
    known: dict[str, str] = state.env.get(_KEY, {})
    if not known:
        return
    words = re.compile("|".join(re.escape(word) for word in sorted(known, key=len, reverse=True)))
    remaining = MAX_EXPLAINED
    for token in state.tokens:
        if token.type == "inline" and token.children:
            children: list[Token] = []
            for child in token.children:
                parts = _split(child, words, known, remaining) if child.type == "text" and remaining else [child]
                remaining -= len(parts) // 2
                children += parts
            token.children = children


def _split(token: Token, words: re.Pattern[str], known: dict[str, str], limit: int) -> list[Token]:
    """Return a text as tokens, of which every second one is an abbreviation."""
    parts: list[Token] = []
    text, end = token.content, 0
    for match in words.finditer(text):
        if text[match.start() - 1 : match.start()].isalnum() or text[match.end() : match.end() + 1].isalnum():
            continue
        abbreviation = f'<abbr title="{escape(known[match[0]])}">{escape(match[0])}</abbr>'
        parts += [_text(text[end : match.start()]), Token("html_inline", "", 0, content=abbreviation)]
        end = match.end()
        if len(parts) // 2 == limit:
            break
    return [*parts, _text(text[end:])]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
