"""Formulas: `$…$` within a line and `$$…$$` as a block, written in LaTeX and rendered as MathML, without a script."""

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Final
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

MAX_FORMULA_LENGTH: Final = 2_000
"""The maximum length of a formula; longer ones are shown as source."""
MAX_LENGTH: Final = 20_000
"""The maximum length of the formulas of a text together: some 0.7 s. Further ones are shown as source."""
_COST_OF_FORMULA: Final = 20
_MAX_LINES: Final = 100
_MAX_DEPTH: Final = 40
"""The maximum depth of elements in a formula. The sanitiser refuses texts with more than 256."""

_BASE_ELEMENTS: Final = ("menclose", "mi", "mn", "mo", "mpadded", "mphantom", "mrow", "ms", "mspace", "mstyle", "mtext")
_LAYOUT_ELEMENTS: Final = ("mfrac", "mmultiscripts", "mover", "mroot", "msqrt", "msub", "msubsup", "msup", "munder", "munderover")
ELEMENTS: Final = frozenset(("math", "mtable", "mtd", "mtr", *_BASE_ELEMENTS, *_LAYOUT_ELEMENTS))
"""The MathML elements that a post may contain."""
_SIZES: Final = ("depth", "height", "linethickness", "lspace", "maxsize", "minsize", "rspace", "width")
_STYLES: Final = ("accent", "accentunder", "displaystyle", "fence", "form", "mathvariant", "notation", "scriptlevel", "stretchy")
ATTRIBUTES: Final = frozenset(("columnalign", "columnlines", "rowlines", *_SIZES, *_STYLES))
"""The allowed attributes of MathML elements, all without URLs. The element `math` also has `alttext` and `display`."""

# Prices stay text: "$5 and $6", "US$5". Formulas have no space inside next to a dollar sign, and no letter or digit outside.
_INLINE: Final = re.compile(r"\$(?![\s$])((?:[^$\\`]|\\.)+)(?<!\s)\$(?![A-Za-z0-9$])", re.DOTALL)
# Sanitised HTML writes every attribute as name="value", and closes every element.
_TAG: Final = re.compile(r'</?([A-Za-z][^\s/>]*)(?:\s[^\s=>]+="[^"]*")*>')
_WORD_CHARACTER: Final = re.compile(r"[A-Za-z0-9$\\]")
_DEFINITION: Final = re.compile(r"\\(?:newcommand|renewcommand|def)\b")  # definitions that use each other grow exponentially
_ALIGNED_ENVIRONMENT: Final = re.compile(r"\\(begin|end)\{(?:aligned|alignat|gather|gathered|equation|eqnarray)\*?\}")


def math_plugin(parser: MarkdownIt) -> None:
    """Add formulas to a parser."""
    parser.inline.ruler.before("escape", "math_inline", _inline_rule)
    parser.block.ruler.before("fence", "math_block", _block_rule, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.add_render_rule("math_inline", _render)
    parser.add_render_rule("math_block", _render)


def to_mathml(source: str, *, is_block: bool) -> str:
    """Return a formula in LaTeX as a `<math>` element; empty if it cannot be converted.

    The source is in `alttext`: search, excerpts and feeds show it. An unknown command is not an error: its name is shown.
    """
    if len(source) > MAX_FORMULA_LENGTH or _DEFINITION.search(source):
        return ""
    display = "block" if is_block else "inline"
    try:
        root = convert_to_element(_ALIGNED_ENVIRONMENT.sub(r"\\\1{align*}", source), display=display)
        body = "".join(_serialise(child, 1) for child in root)
    except Exception:  # the library has errors for some mistakes only, and raises IndexError, KeyError and others for the rest
        return ""
    return f'<math display="{display}" alttext="{escape(source)}">{body}</math>'


def remove_foreign_elements(fragment: str) -> str:
    """Return sanitised HTML without HTML elements and other formulas inside formulas, where browsers parse by other rules."""
    if "<math" not in fragment:
        return fragment
    depth = 0

    def keep(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[1] != "math":
            return tag[0] if not depth or tag[1] in ELEMENTS else ""
        is_end = tag[0].startswith("</")
        depth += -1 if is_end else 1
        return tag[0] if depth == (0 if is_end else 1) else ""

    return _TAG.sub(keep, fragment)


def _serialise(element: Element, depth: int) -> str:
    """Return an element with the allowed elements and attributes. Raises ValueError if it is nested too deeply."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    # The library writes characters as references within the text.
    content = escape(unescape(element.text or "")) + "".join(_serialise(child, depth + 1) for child in element)
    if element.tag not in ELEMENTS:
        return content
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in element.attrib.items() if name in ATTRIBUTES)
    return f"<{element.tag}{attributes}>{content}</{element.tag}>"


def _inline_rule(state: StateInline, silent: bool) -> bool:
    match = _INLINE.match(state.src, state.pos, state.posMax) if state.src[state.pos] == "$" else None
    if not match or (state.pos > 0 and _WORD_CHARACTER.match(state.src[state.pos - 1])):
        return False
    if not silent:
        state.push("math_inline", "", 0).content = match[1]
    state.pos = match.end()
    return True


def _block_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse lines from one that begins with `$$` to one that ends with `$$`, without a blank line between them."""
    if state.is_code_block(start) or not state.src.startswith("$$", state.bMarks[start] + state.tShift[start]):
        return False
    lines: list[str] = []
    for number in range(start, min(end, start + _MAX_LINES)):
        line = state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()
        if not line or state.sCount[number] < state.blkIndent:
            return False
        lines.append(line)
        if line.endswith("$$") and line != "$$" * (number == start):
            break
    source = "\n".join(lines)[2:].removesuffix("$$").strip()
    if not lines[-1].endswith("$$") or not source or "$$" in source:
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.content, token.map = source, [start, start + len(lines)]
        state.line = start + len(lines)
    return True


class _Budget:
    """The number of characters of a text that may still be converted."""

    def __init__(self) -> None:
        self._remaining = MAX_LENGTH

    def take(self, source: str) -> bool:
        """Return whether to convert the formula, and subtract its length then."""
        cost = len(source) + _COST_OF_FORMULA
        if cost > self._remaining:
            return False
        self._remaining -= cost
        return True


def _render(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    source, is_block = tokens[i].content, tokens[i].type == "math_block"
    budget: _Budget = env.setdefault("formulas", _Budget())
    formula = to_mathml(source, is_block=is_block) if budget.take(source) else ""
    formula = formula or f"<code>{escape(source, quote=False)}</code>"
    return f'<div class="math-block" tabindex="0">{formula}</div>\n' if is_block else formula
