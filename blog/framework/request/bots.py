"""Detection of bots and prefetching, so that they do not count as views."""

import re

from starlette.datastructures import Headers

_BROWSER_PREFIX = "Mozilla/5.0 ("
# Bots with the user agent of a browser add one of these words, most of them with a contact URL.
_BOT = re.compile(r"bot|crawl|spider|slurp|https?:|preview|scan|monitor|archiv|fetch|headless|lighthouse|embed", re.IGNORECASE)


def is_human_view(headers: Headers) -> bool:
    """Return whether a browser requests the page for display: neither a bot nor a prefetch."""
    user_agent = headers.get("user-agent", "")
    if not user_agent.startswith(_BROWSER_PREFIX) or _BOT.search(user_agent):
        return False
    return not any("prefetch" in headers.get(name, "").lower() for name in ("sec-purpose", "purpose"))
