"""Bookmark cards in Markdown: a quote that begins with the line `[!BOOKMARK]`, and then a link, such as

    > [!BOOKMARK]
    > [The title of the page](https://example.org/page)
    >
    > What the page is about.
    >
    > ![](/media/….webp)

Feeds, e-mail and other Markdown programs show a quote. Images of other sites are left out: reading requests nothing from them.
"""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from blog.text.media_players import is_own_path

BOOKMARK_CLASS: Final = "bookmark"
# Characters that can be markup: wherever they are, at the beginning of a line, and in some places.
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>{}~^$=@]|^[-+#:]|:(?=//)|&(?=[#A-Za-z])")
_LIST_NUMBER: Final = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_URL_MARKUP: Final = str.maketrans({char: f"%{ord(char):02X}" for char in " ()<>\\\"'`"})
_MARKER: Final = re.compile(r"\[!bookmark\][ \t]*\n(?=\[)", re.IGNORECASE)


def bookmark_plugin(parser: MarkdownIt) -> None:
    """Add bookmark cards to a parser."""
    parser.core.ruler.after("block", "bookmarks", _mark_quotes)
    parser.core.ruler.after("inline", "bookmark_images", _remove_foreign_images)


def bookmark_markdown(url: str, title: str, description: str, image: str = "") -> str:
    """Return the Markdown of a card. All text stays text: of another site nothing becomes markup.

    - `url`: an http(s) URL without white space.
    - `title`, `description`: single lines (`PageMetadata`); an empty description is left out.
    - `image`: the path of an uploaded image, or empty.
    """
    link = _ENTITY.sub(r"\\\g<0>", url.translate(_URL_MARKUP))
    parts = [f"[!BOOKMARK]\n> [{_escape(title)}]({link})", _escape(description), f"![]({image})" if image else ""]
    return "\n>\n".join(f"> {part}" for part in parts if part)


def _escape(line: str) -> str:
    return _LIST_NUMBER.sub(r"\1\\", _MARKUP.sub(r"\\\g<0>", line))


def _mark_quotes(state: StateCore) -> None:
    """Remove the markers, and mark their quotes."""
    for quote, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if quote.type != "blockquote_open" or paragraph.type != "paragraph_open":
            continue
        if match := _MARKER.match(inline.content):
            inline.content = inline.content[match.end() :]
            quote.attrSet("class", BOOKMARK_CLASS)


def _remove_foreign_images(state: StateCore) -> None:
    open_quotes = list[bool]()
    for token in state.tokens:
        if token.type == "blockquote_open":
            open_quotes.append(token.attrGet("class") == BOOKMARK_CLASS)
        elif token.type == "blockquote_close":
            open_quotes.pop()
        elif token.children and any(open_quotes):
            token.children = [child for child in token.children if not _is_foreign_image(child)]


def _is_foreign_image(token: Token) -> bool:
    return token.type == "image" and not is_own_path(str(token.attrGet("src")))
