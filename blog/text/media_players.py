"""Players for uploaded audio and video files, written as images: `![The talk](/media/talk.mp4)`."""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML, RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_FILE: Final = re.compile(r"[^?#]*\.(?:(mp4|m4v|webm|ogv|mov)|mp3|m4a|aac|oga|ogg|opus|wav|flac)(?:[?#].*)?", re.IGNORECASE)
_OWN_PATH: Final = re.compile(r"(?!//|/\\|[A-Za-z][A-Za-z0-9+.-]*:)")


def media_player_plugin(parser: MarkdownIt) -> None:
    """Render images of audio and video files as players, and those of other sites as links: browsers do not load them."""
    parser.add_render_rule("image", _render_image)


def is_player(url: str) -> bool:
    """Return whether an image with this URL is rendered as a player, or as a link to the file."""
    return _FILE.fullmatch(url) is not None


def is_own_path(url: str) -> bool:
    """Return whether a URL is a path on this site: without scheme and host."""
    return _OWN_PATH.match(url) is not None


def _render_image(self: RendererProtocol, tokens: Sequence[Token], i: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[i]
    assert isinstance(self, RendererHTML)  # noqa: S101 (the only renderer of the parser)
    url = str(token.attrs.get("src", ""))
    match = _FILE.fullmatch(url)
    if not match:
        return self.image(tokens, i, options, env)
    label = self.renderInlineAsText(token.children or [], options, env)
    link = f'<a href="{escape(url)}">{escape(label or url.rpartition("/")[2])}</a>'
    if not is_own_path(url):
        return link
    tag = "video" if match[1] else "audio"
    name = f' aria-label="{escape(label)}"' if label else ""
    return f'<{tag} controls preload="metadata" src="{escape(url)}"{name}>{link}</{tag}>'
