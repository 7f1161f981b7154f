"""Who a page is fetched for: somebody who reads it, or a program."""

import re

from starlette.datastructures import Headers

_BROWSER_PREFIX = "Mozilla/5.0 ("
# Programs that call themselves browsers add one of these words, most of them with an address to complain to.
_BOT = re.compile(r"bot|crawl|spider|slurp|https?:|preview|scan|monitor|archiv|fetch|headless|lighthouse|embed", re.IGNORECASE)


def is_human_view(headers: Headers) -> bool:
    """Does a browser GET this page, to show it now? Not a robot, and not a browser that fetches ahead of its user."""
    agent = headers.get("user-agent", "")
    if not agent.startswith(_BROWSER_PREFIX) or _BOT.search(agent):
        return False
    return not any("prefetch" in headers.get(name, "").lower() for name in ("sec-purpose", "purpose"))
