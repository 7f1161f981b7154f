"""Figures in Markdown: captions, galleries and widths. The source stays readable in every other Markdown program.

- A paragraph with one image that has a title, `![alt](src "caption")`: the image with a caption.
- A paragraph of several images and nothing else: a gallery. Each image links to its file, because the gallery crops it.
- `{.wide}` or `{.full}` after an image of such a paragraph: wider than the text, or as wide as the window.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from blog.text.media_players import is_player

CLASSES: Final = frozenset({"gallery", "wide", "full"})
"""The classes of figures."""
_WIDTH_MARK: Final = re.compile(r"\{\.(wide|full)\}\s*")


@dataclass(slots=True)
class _Figure:
    """The images of a paragraph, and the width written after one of them."""

    images: list[Token] = field(default_factory=list)
    width: str = ""


def figure_plugin(parser: MarkdownIt) -> None:
    """Add figures to a parser."""
    parser.core.ruler.after("inline", "figures", _convert_paragraphs)


def _convert_paragraphs(state: StateCore) -> None:
    """Replace each paragraph that is a figure by the tokens of the figure."""
    tokens: list[Token] = []
    remaining = iter(state.tokens)
    for token in remaining:
        if token.type != "paragraph_open" or token.hidden:  # hidden: an item of a tight list
            tokens.append(token)
            continue
        inline, closing = next(remaining), next(remaining)
        figure = _read_figure(inline.children or ())
        tokens += [token, inline, closing] if figure is None else _figure_tokens(figure, inline)
    state.tokens = tokens


def _read_figure(children: Sequence[Token]) -> _Figure | None:
    """Return the figure of a paragraph with these children, or None if it is a paragraph of text, or of one plain image."""
    figure = _Figure()
    for child in children:
        mark = _WIDTH_MARK.fullmatch(child.content) if child.type == "text" else None
        if child.type == "image":
            figure.images.append(child)
        elif mark is not None and figure.images:
            figure.width = mark[1]
        elif child.type not in ("softbreak", "hardbreak") and not (child.type == "text" and not child.content.strip()):
            return None
    if len(figure.images) > 1 and any(is_player(str(image.attrGet("src"))) for image in figure.images):
        return None
    is_plain = len(figure.images) == 1 and not figure.width and not figure.images[0].attrGet("title")
    return None if is_plain or not figure.images else figure


def _figure_tokens(figure: _Figure, inline: Token) -> Iterator[Token]:
    if len(figure.images) == 1:
        yield from _image_figure(figure.images[0], inline, figure.width)
        return
    yield _tag("figure_open", "figure", 1, inline, f"gallery {figure.width}".strip())
    for image in figure.images:
        yield from _image_figure(image, inline, is_linked=True)
    yield _tag("figure_close", "figure", -1, inline)


def _image_figure(image: Token, inline: Token, width: str = "", *, is_linked: bool = False) -> Iterator[Token]:
    caption = str(image.attrs.pop("title", ""))
    yield _tag("figure_open", "figure", 1, inline, width)
    yield _inline([*_link(image), image, Token("link_close", "a", -1)] if is_linked else [image], inline)
    if caption:
        yield _tag("figcaption_open", "figcaption", 1, inline)
        yield _inline([Token("text", "", 0, content=caption)], inline)
        yield _tag("figcaption_close", "figcaption", -1, inline)
    yield _tag("figure_close", "figure", -1, inline)


def _link(image: Token) -> Iterator[Token]:
    link = Token("link_open", "a", 1, attrs={"href": str(image.attrGet("src") or "")})
    if not image.content.strip():
        link.attrSet("aria-label", "Open image")  # the alt text would be the name of the link
    yield link


def _tag(kind: str, name: str, nesting: Literal[-1, 1], inline: Token, class_name: str = "") -> Token:
    token = Token(kind, name, nesting, block=True, map=inline.map, level=inline.level)
    if class_name:
        token.attrSet("class", class_name)
    return token


def _inline(children: list[Token], inline: Token) -> Token:
    return Token("inline", "", 0, children=children, content="", map=inline.map, level=inline.level, block=True)
