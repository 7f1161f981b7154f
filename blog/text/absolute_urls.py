"""Addresses in sanitised HTML made absolute, for readers far from the page that it stands on."""

import html
import re
from typing import Final
from urllib.parse import urljoin

# Sanitised HTML escapes `<` in text and `"` in values, so that a start tag, read from its beginning, ends where it seems to.
_START_TAG: Final = re.compile(r'<[a-z][a-z0-9]*(?:\s+[^\s"=>]+(?:="[^"]*")?)*\s*>')
_ATTRIBUTE: Final = re.compile(r'([^\s"=>]+)="([^"]*)"')
_URL_ATTRIBUTES: Final = frozenset({"href", "src"})


def make_urls_absolute(fragment: str, base: str) -> str:
    """Return safe HTML (out of `render`) with each link and image absolute; `base` is the address of its page."""

    def joined(attribute: re.Match[str]) -> str:
        name, value = attribute.groups()
        return f'{name}="{html.escape(_resolve_url(base, html.unescape(value)))}"' if name in _URL_ATTRIBUTES else attribute[0]

    return _START_TAG.sub(lambda tag: _ATTRIBUTE.sub(joined, tag[0]), fragment)


def _resolve_url(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:  # half a pair of brackets, as in "http://[": leads nowhere anyway
        return address
