"""Absolute URLs in sanitised HTML, for feeds and other places outside the page of a post."""

import html
import re
from typing import Final
from urllib.parse import urljoin

# Sanitised HTML escapes `<` in text and `"` in values, so that a regular expression finds the end of a start tag.
_START_TAG: Final = re.compile(r'<[a-z][a-z0-9]*(?:\s+[^\s"=>]+(?:="[^"]*")?)*\s*>')
_ATTRIBUTE: Final = re.compile(r'([^\s"=>]+)="([^"]*)"')
_URL_ATTRIBUTES: Final = frozenset({"href", "src"})


def make_urls_absolute(fragment: str, base: str) -> str:
    """Return HTML from `render` with absolute URLs in links and images. `base` is the URL of the page."""

    def resolve(attribute: re.Match[str]) -> str:
        name, value = attribute.groups()
        return f'{name}="{html.escape(_resolve_url(base, html.unescape(value)))}"' if name in _URL_ATTRIBUTES else attribute[0]

    return _START_TAG.sub(lambda tag: _ATTRIBUTE.sub(resolve, tag[0]), fragment)


def _resolve_url(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:  # an invalid URL such as "http://["
        return url
