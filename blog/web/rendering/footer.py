"""The part of the footer that owners write: a text and social links."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from blog.schemas.appearance import Appearance
from blog.text import markdown


@dataclass(frozen=True, slots=True)
class SocialLink:
    """A profile or an address elsewhere, with a label for readers."""

    target: str
    label: str


@dataclass(frozen=True, slots=True)
class Footer:
    """The safe HTML of the text, and the links."""

    html: str
    links: Sequence[SocialLink]


def footer(appearance: Appearance) -> Footer:
    """Return the footer of every page."""
    return _render_footer(appearance.footer_text, tuple(appearance.social_links))


@lru_cache(maxsize=8)
def _render_footer(text: str, targets: tuple[str, ...]) -> Footer:
    """Return the footer; cached, because rendering takes a tenth of a millisecond and more."""
    hosts = Counter(_host(target) for target in targets)
    labels = [_host(target) if hosts[_host(target)] == 1 else _host(target) + urlsplit(target).path for target in targets]
    return Footer(markdown.render_site_text(text) if text else "", [*map(SocialLink, targets, labels)])


def _host(target: str) -> str:
    """Return the host of a URL, or the address of an e-mail link."""
    return (urlsplit(target).hostname or "").removeprefix("www.") or target.removeprefix("mailto:")
