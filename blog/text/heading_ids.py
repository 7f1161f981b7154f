"""The `id` of headings: written as `## Title {#name}`, or made of the words of the heading."""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from blog.text.slug import slugify

# No colon: ids of footnotes have one.
_WRITTEN_ID: Final = re.compile(r"(?:^|[ \t]+)\{#([^\W_][\w.-]{0,79})\}\Z")


def heading_id_plugin(parser: MarkdownIt) -> None:
    """Add an id to each heading. Repeated ids are numbered from 2; written ones come first."""
    parser.core.ruler.push("heading_ids", _add_ids)


def _add_ids(state: StateCore) -> None:
    headings = [
        (opening, inline.children or [])
        for opening, inline in zip(state.tokens, state.tokens[1:], strict=False)
        if opening.type == "heading_open"
    ]
    uses: dict[str, int] = {}
    for opening, children in headings:
        if written := _remove_written_id(children):
            opening.attrSet("id", _unique_id(written, uses))
    for opening, children in headings:
        if "id" not in opening.attrs:
            words = "".join(child.content for child in children if child.type in {"text", "code_inline", "math_inline"})
            opening.attrSet("id", _unique_id(slugify(words, fallback="section"), uses))


def _remove_written_id(children: list[Token]) -> str:
    """Return the id at the end of a heading, without it in the text; empty if there is none, or nothing else."""
    match = _WRITTEN_ID.search(children[-1].content) if children and children[-1].type == "text" else None
    if not match or (len(children) == 1 and not match.start()):
        return ""
    children[-1].content = children[-1].content[: match.start()]
    return match[1]


def _unique_id(slug: str, uses: dict[str, int]) -> str:
    candidate = slug
    while candidate in uses:
        uses[slug] += 1
        candidate = f"{slug}-{uses[slug]}"
    uses[candidate] = 1
    return candidate
