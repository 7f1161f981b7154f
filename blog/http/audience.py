"""Who a page is fetched for: somebody who reads it, or a program."""

import re

from starlette.requests import Request

_BROWSER = "Mozilla/5.0 ("
# Programs that call themselves browsers add one of these words, most of them with an address to complain to.
_PROGRAM = re.compile(
    r"bot|crawl|spider|slurp|https?:|preview|scan|monitor|archiv|fetch|headless|lighthouse|embed", re.IGNORECASE
)


def is_reader(request: Request) -> bool:
    """Does a browser ask for this page, to show it now? Not a robot, and not a browser that fetches ahead of its user."""
    agent = request.headers.get("user-agent", "")
    if request.method != "GET" or not agent.startswith(_BROWSER) or _PROGRAM.search(agent):
        return False
    return not any("prefetch" in request.headers.get(name, "").lower() for name in ("sec-purpose", "purpose"))
