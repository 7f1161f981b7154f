"""Emphasis next to Chinese, Japanese and Korean text, by the CJK-friendly amendment to CommonMark.

CommonMark decides by the characters around `**` whether it opens or closes emphasis, and expects a space between punctuation and
the next word. CJK text has no such spaces: `**这是粗体。**后面` stays literal. The amendment treats CJK characters and CJK
punctuation next to the delimiter as if there were a space. See https://github.com/tats-u/markdown-cjk-friendly.
"""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

_CJK: Final = re.compile(
    r"[\u1100-\u11ff\u20a9\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f"
    r"\uac00-\ud7ff\uf900-\ufaff\ufe10-\ufe1f\ufe30-\ufe6f\uff01-\uffee\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff"
    r"\U0001d300-\U0001d37f\U0001f200-\U0001f2ff\U00020000-\U0003ffff]"
)
_SELECTOR: Final = re.compile(r"[\ufe00-\ufe0e\U000e0100-\U000e01ef]")


class _State(StateInline):
    """Inline state with the amended definition of flanking delimiter runs."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 (names of the base class)
        """Return whether the run of delimiters at `start` can open and close emphasis, and its length."""
        marker, end = self.src[start], start
        while end < self.posMax and self.src[end] == marker:
            end += 1
        before, after = self._before(start), self.src[end] if end < self.posMax else " "
        is_space_before, is_space_after = isWhiteSpace(ord(before)), isWhiteSpace(ord(after))
        is_punctuation_before, is_punctuation_after = _is_punctuation(before), _is_punctuation(after)
        is_cjk_before, is_cjk_after = bool(_CJK.match(before)), bool(_CJK.match(after))
        left_flanking = not is_space_after and (
            is_cjk_after or not is_punctuation_after or is_space_before or is_punctuation_before or is_cjk_before
        )
        right_flanking = not is_space_before and (
            is_cjk_before or not is_punctuation_before or is_space_after or is_punctuation_after or is_cjk_after
        )
        can_open = left_flanking and (canSplitWord or not right_flanking or is_punctuation_before)
        can_close = right_flanking and (canSplitWord or not left_flanking or is_punctuation_after)
        return Scanned(can_open, can_close, end - start)

    def _before(self, start: int) -> str:
        """Return the character before `start`; a space at the beginning. A variation selector belongs to its character."""
        if start > 1 and _SELECTOR.match(self.src[start - 1]):
            return self.src[start - 2]
        return self.src[start - 1] if start > 0 else " "


class _Parser(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """Parse inline Markdown, as upstream does, with the amended state."""
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def cjk_emphasis_plugin(parser: MarkdownIt) -> None:
    """Use the amended rule for `*`, `_` and `~`."""
    inline = _Parser()
    inline.ruler, inline.ruler2 = parser.inline.ruler, parser.inline.ruler2
    parser.inline = inline


def _is_punctuation(char: str) -> bool:
    return isMdAsciiPunct(ord(char)) or isPunctChar(char)
