"""Detection of bots and prefetching, so that they do not count as views."""

import re
from collections.abc import Mapping

_BROWSER_PREFIX = b"Mozilla/5.0 ("
# Bots with the user agent of a browser add one of these words, most of them with a contact URL.
_BOT = re.compile(rb"bot|crawl|spider|slurp|https?:|preview|scan|monitor|archiv|fetch|headless|lighthouse|embed", re.IGNORECASE)


def is_human_view(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a browser requests the page for display: neither a bot nor a prefetch. headers: with lowercase names."""
    user_agent = headers.get(b"user-agent", b"")
    if not user_agent.startswith(_BROWSER_PREFIX) or _BOT.search(user_agent):
        return False
    return not any(b"prefetch" in headers.get(name, b"").lower() for name in (b"sec-purpose", b"purpose"))
