"""Rendering of Markdown to safe HTML.

Three steps: markdown-it-py parses CommonMark 0.31.2 with extensions, Pygments highlights fenced code, nh3 (ammonia)
sanitises the result. Sanitising comes last, so the first two steps are not trusted. Texts are rendered when they
are saved, and again after an upgrade with another `RENDERER_VERSION` (`blog/domain/integrity/outdated_html.py`). Thread-safe.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock, reference
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin

from blog.text.abbreviations import abbreviation_plugin
from blog.text.bookmarks import bookmark_plugin
from blog.text.callouts import callout_plugin
from blog.text.cjk_emphasis import cjk_emphasis_plugin
from blog.text.embeds import embed_plugin
from blog.text.figures import figure_plugin
from blog.text.heading_ids import heading_id_plugin
from blog.text.highlighting import HighlightBudget, code_block
from blog.text.inline_marks import inline_marks_plugin
from blog.text.linkify import Linkifier
from blog.text.mathml import math_plugin
from blog.text.media_players import media_player_plugin
from blog.text.sanitiser import replace_surrogates, sanitise_comment, sanitise_post

RENDERER_VERSION: Final = 5
"""Increment if the same source can render to different HTML than before: stored texts are then rendered again."""

_POST_PLUGINS: Final = (
    *(footnote_plugin, deflist_plugin, math_plugin, callout_plugin, inline_marks_plugin),
    *(media_player_plugin, figure_plugin, bookmark_plugin, embed_plugin, heading_id_plugin, abbreviation_plugin),
)
_TASK_MARKER: Final = re.compile(r"\[([ xX])\][ \t]+")


def render(source: str, document: str = "") -> str:
    """Return the safe HTML of a post written in Markdown.

    CommonMark with raw HTML, GFM tables, strikethrough and task lists, footnotes, links for bare `http(s)://` URLs and e-mail
    addresses, definition lists, and the extensions in the modules of `_POST_PLUGINS`: formulas, callouts, highlighted text,
    sub- and superscript, abbreviations, players, figures, bookmarks, embeds, and an `id` on each heading. A link to `#name`
    leads to the `id` written as `name`.

    - `document` (letters, digits, hyphens): part of every `id` and of every link to one, to distinguish several posts on
      one page.

    Accepts any string; the caller limits its length. Deterministic, and sanitising the output again changes nothing.
    """
    return render_both(source, document)[0]


def render_both(source: str, document: str = "") -> tuple[str, str]:
    """Return the safe HTML as `render` does, and the HTML before it was sanitised, for `removed_markup`."""
    unsafe = _POST_PARSERS.render(replace_surrogates(source))
    return sanitise_post(unsafe, document), unsafe


def render_comment(source: str) -> str:
    """Return the safe HTML of a comment: only paragraphs, emphasis, links, code, lists and quotes.

    Raw HTML, headings and other markup stay visible as text, an image becomes a link to it, and every link has
    `rel="nofollow ugc noopener"`. Otherwise like `render`.
    """
    return sanitise_comment(_COMMENT_PARSERS.render(replace_surrogates(source)))


def render_site_text(source: str) -> str:
    """Return the safe HTML of a text by an owner, in the Markdown of comments. Its links have only `rel="noopener"`."""
    return sanitise_comment(_COMMENT_PARSERS.render(replace_surrogates(source)), "noopener")


def commonmark() -> MarkdownIt:
    """Return a new parser for plain CommonMark 0.31.2, the base of the parsers for posts and comments.

    Both add bare links, emphasis next to CJK punctuation, and Pygments. Posts also add tables, strikethrough, task lists,
    the plugins, and classes instead of `style` on aligned cells. Comments have no raw HTML, images, headings and
    rules. All inherit this parser's limit of 20 levels of nesting, which CommonMark does not have.
    """
    return MarkdownIt("commonmark")


# Parsers. Creating one takes longer than parsing a short text.


class _ParserPool:
    """A pool of parsers, as many as threads have rendered concurrently.

    Concurrent calls cannot share a parser: old releases of linkify-it store the state of a search on the object, and
    markdown-it fills its rule caches on first use.
    """

    def __init__(self, create: Callable[[], MarkdownIt]) -> None:
        self._create = create
        self._idle: list[MarkdownIt] = []  # pop and append are atomic

    def render(self, source: str) -> str:
        """Return unsanitised HTML. A parser that raises is not used again."""
        try:
            parser = self._idle.pop()
        except IndexError:
            parser = self._create()
        html: str = parser.render(source)
        self._idle.append(parser)
        return html


def _post_parser() -> MarkdownIt:
    parser = _base_parser().enable(["table", "strikethrough"])
    for plugin in _POST_PLUGINS:
        parser.use(plugin)
    parser.core.ruler.after("inline", "task_items", _mark_task_items)
    parser.core.ruler.push("tables", _prepare_tables)
    parser.add_render_rule("footnote_anchor_name", _footnote_name)
    parser.add_render_rule("footnote_anchor", _footnote_backref)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    return parser


def _comment_parser() -> MarkdownIt:
    parser = _base_parser().disable(["image", "heading", "lheading", "hr"])
    parser.options["html"] = False
    return parser


def _base_parser() -> MarkdownIt:
    """Return the common parser of posts and comments, with bare links, CJK-friendly emphasis and highlighted code."""
    parser = commonmark().use(cjk_emphasis_plugin).enable("linkify")
    parser.linkify = Linkifier()
    parser.options["linkify"] = True
    parser.block.ruler.at("reference", _link_definition)
    parser.add_render_rule("fence", _code_block)
    parser.add_render_rule("code_block", _code_block)
    return parser


# A block rule.


def _link_definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse `[name]: url`, but not `[^name]: text`: that is a footnote, which comments show as text."""
    is_footnote = state.src.startswith("[^", state.bMarks[start] + state.tShift[start])
    return not is_footnote and reference(state, start, end, silent)


# Core rules: they change the tokens of a whole document.


def _mark_task_items(state: StateCore) -> None:
    """Turn a leading `[ ]` or `[x]` in the first paragraph of a list item into a disabled checkbox."""
    lists: list[Token] = []
    for index, token in enumerate(state.tokens):
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            lists.append(token)
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            lists.pop()
        elif token.type == "list_item_open" and _convert_task_item(state.tokens[index + 1 : index + 3]):
            token.attrSet("class", "task-list-item")
            lists[-1].attrSet("class", "contains-task-list")


def _convert_task_item(item: list[Token]) -> bool:
    if [token.type for token in item] != ["paragraph_open", "inline"] or not item[1].children:
        return False
    text = item[1].children[0]
    match = _TASK_MARKER.match(text.content) if text.type == "text" else None
    if match is None:
        return False
    state, label = ("", "To do") if match[1] == " " else (" checked", "Done")
    box = Token("html_inline", "", 0, content=f'<input type="checkbox" disabled{state} aria-label="{label}"> ')
    text.content = text.content[match.end() :]
    item[1].children.insert(0, box)
    return True


def _prepare_tables(state: StateCore) -> None:
    """Number tables for their labels, and replace alignment by classes, because the sanitiser removes `style`."""
    number = 0
    for token in state.tokens:
        if token.type == "table_open":
            number += 1
            token.meta["number"] = number
        elif token.type in {"th_open", "td_open"} and (style := token.attrs.pop("style", None)):
            token.attrSet("class", "align-" + str(style).rpartition(":")[2])


# Render rules: they return the HTML of one token.


def _table_open(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    label = f"Table {tokens[i].meta['number']}"
    return f'<div class="table-scroll" tabindex="0" role="region" aria-label="{label}">\n<table>\n'


def _table_close(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    return "</table>\n</div>\n"


def _footnote_name(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    # The colon distinguishes footnotes from headings: heading ids contain no colon.
    return f":{tokens[i].meta['id'] + 1}"


def _footnote_backref(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    number, use = tokens[i].meta["id"] + 1, tokens[i].meta.get("subId", 0)
    name = f"{number}:{use}" if use > 0 else str(number)
    # The variation selector shows the arrow as text, not as an emoji.
    label = f"Back to reference {name}"
    return f' <a href="#fnref:{name}" class="footnote-backref" aria-label="{label}">\u21a9\ufe0e</a>'


def _code_block(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    return code_block(tokens[i].content, unescapeAll(tokens[i].info), env.setdefault("highlighting", HighlightBudget()))


_POST_PARSERS: Final = _ParserPool(_post_parser)
_COMMENT_PARSERS: Final = _ParserPool(_comment_parser)
