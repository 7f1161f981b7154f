"""Cards for videos, music and posts of other sites: an address of a known provider, alone in its paragraph.

The stored HTML is a paragraph with a link, which feeds and e-mail show as it is. On pages `with_embeds` turns it into a card.
Nothing is requested from the provider before the reader presses the button of the card, which `static/js/embeds.js` adds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape, unescape
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

_ADDRESS: Final = re.compile(r"https?://[^\s<>]{4,2000}", re.IGNORECASE)
# As the sanitiser writes what `_mark_embeds` makes. An author may write the same by hand: the address is checked again.
_PARAGRAPH: Final = re.compile(r'<p class="embed"><a href="([^"]*)" rel="noopener">[^<]*</a></p>')
_MAX_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Embed:
    """Content of another site. `kind`: `video`, `audio` or `post`. `frame_url`: the player; empty: the card is only a link."""

    provider: str
    kind: str
    frame_url: str = ""

    @property
    def frame_origin(self) -> str:
        """The origin of the player, for the content security policy."""
        return "/".join(self.frame_url.split("/", 3)[:3])


def find_embed(url: str) -> Embed | None:
    """Return the content behind an address, or None if no provider is known for it."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
        has_port = parts.port is not None or "@" in parts.netloc
    except ValueError:
        return None
    if has_port or parts.scheme not in ("http", "https"):
        return None
    find = _PROVIDERS.get(host)
    return find(parts) if find else _mastodon(parts)


def embed_plugin(parser: MarkdownIt) -> None:
    """Mark the paragraphs of a parser that become cards."""
    parser.core.ruler.before("inline", "embeds", _mark_embeds)


def with_embeds(html: str) -> str:
    """Return HTML from `render` with cards, for pages."""
    return _PARAGRAPH.sub(_card, html) if '<p class="embed">' in html else html


def frame_origins(html: str) -> tuple[str, ...]:
    """Return the origins of the players in HTML from `render`, in order, for the content security policy of its page."""
    embeds = (find_embed(unescape(match[1])) for match in _PARAGRAPH.finditer(html))
    return tuple(sorted({embed.frame_origin for embed in embeds if embed and embed.frame_url}))


def _mark_embeds(state: StateCore) -> None:
    for opening, inline in zip(state.tokens, state.tokens[1:], strict=False):
        is_candidate = opening.type == "paragraph_open" and opening.level == 0 and _ADDRESS.fullmatch(inline.content)
        if is_candidate and find_embed(inline.content):
            opening.attrSet("class", "embed")


def _card(paragraph: re.Match[str]) -> str:
    url = unescape(paragraph[1])
    embed = find_embed(url)
    if embed is None:
        return paragraph[0]
    shown = url.partition("://")[2].removeprefix("www.")
    shown = shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 1] + "…"
    frame = f' data-frame="{escape(embed.frame_url)}" data-provider="{embed.provider}"' if embed.frame_url else ""
    return (
        f'<div class="embed-card embed-{embed.kind}"{frame}>'
        + ('<div class="embed-frame"></div>' if embed.frame_url else "")
        + f'<p class="embed-link"><a href="{paragraph[1]}" rel="noopener"><strong>{embed.provider}</strong> '
        + f"<span>{escape(shown)}</span></a></p></div>"
    )


# The providers. Each function returns the content of an address, or None.

_Provider = Callable[[SplitResult], Embed | None]
_YOUTUBE_ID: Final = re.compile(r"[\w-]{11}", re.ASCII)
_YOUTUBE_PATH: Final = re.compile(r"/(?:shorts|live|embed|v)/([\w-]{11})/?", re.ASCII)
_START: Final = re.compile(r"(?:(\d{1,2})h)?(?:(\d{1,4})m)?(?:(\d{1,6})s?)?", re.ASCII)
_VIMEO_PATH: Final = re.compile(r"/(?:video/)?(\d{5,12})(?:/([0-9a-f]{6,20}))?/?", re.ASCII)
_SPOTIFY_PATH: Final = re.compile(
    r"/(?:intl-[a-z]{2}/)?(?:embed/)?((?:track|album|playlist|episode|show|artist)/[0-9A-Za-z]{22})/?", re.ASCII
)
_MASTODON_PATH: Final = re.compile(r"/@[\w.-]{1,100}(?:@[\w.-]{3,200})?/\d{5,25}/?", re.ASCII)
_BLUESKY_PATH: Final = re.compile(r"/profile/[\w.:-]{3,250}/post/[0-9a-z]{5,20}/?", re.ASCII)
_X_PATH: Final = re.compile(r"/\w{1,20}/status/\d{1,25}/?", re.ASCII)


def _youtube(parts: SplitResult) -> Embed | None:
    query = parse_qs(parts.query)
    if parts.hostname and parts.hostname.endswith("youtu.be"):
        video = parts.path.strip("/")
    elif parts.path == "/watch":
        video = query.get("v", [""])[0]
    else:
        match = _YOUTUBE_PATH.fullmatch(parts.path)
        video = match[1] if match else ""
    if not _YOUTUBE_ID.fullmatch(video):
        return None
    start = _START.fullmatch((query.get("t") or query.get("start") or [""])[0])
    hours, minutes, seconds = (int(number or 0) for number in start.groups()) if start else (0, 0, 0)
    offset = hours * 3600 + minutes * 60 + seconds
    suffix = f"&start={offset}" if offset else ""
    return Embed("YouTube", "video", f"https://www.youtube-nocookie.com/embed/{video}?autoplay=1{suffix}")


def _vimeo(parts: SplitResult) -> Embed | None:
    match = _VIMEO_PATH.fullmatch(parts.path)
    key = f"&h={match[2]}" if match and match[2] else ""
    return Embed("Vimeo", "video", f"https://player.vimeo.com/video/{match[1]}?dnt=1&autoplay=1{key}") if match else None


def _spotify(parts: SplitResult) -> Embed | None:
    match = _SPOTIFY_PATH.fullmatch(parts.path)
    return Embed("Spotify", "audio", f"https://open.spotify.com/embed/{match[1]}") if match else None


# These three are links. Mastodon has no common host, which the content security policy could name; the frames of Bluesky need an
# identifier that the address does not contain, those of X are not documented, and both need a script to have the right height.


def _mastodon(parts: SplitResult) -> Embed | None:
    is_post = parts.scheme == "https" and "." in (parts.hostname or "") and _MASTODON_PATH.fullmatch(parts.path)
    return Embed("Mastodon", "post") if is_post else None


def _bluesky(parts: SplitResult) -> Embed | None:
    return Embed("Bluesky", "post") if _BLUESKY_PATH.fullmatch(parts.path) else None


def _x(parts: SplitResult) -> Embed | None:
    return Embed("X", "post") if _X_PATH.fullmatch(parts.path) else None


_PROVIDERS: Final[dict[str, _Provider]] = {
    **dict.fromkeys(("youtube.com", "music.youtube.com", "youtu.be", "youtube-nocookie.com"), _youtube),
    **dict.fromkeys(("vimeo.com", "player.vimeo.com"), _vimeo),
    "open.spotify.com": _spotify,
    "bsky.app": _bluesky,
    **dict.fromkeys(("x.com", "twitter.com", "mobile.twitter.com"), _x),
}
