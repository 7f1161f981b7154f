"""Count the open HTTP connections of each client address, for each server."""

from collections import Counter
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

_counts: WeakKeyDictionary[ServerState, Counter[str]] = WeakKeyDictionary()


def try_add(server: ServerState, address: str, limit: int) -> bool:
    """Count a connection. Return False if the address has `limit` connections already."""
    counts = _counts.setdefault(server, Counter())
    if counts[address] >= limit:
        return False
    counts[address] += 1
    return True


def remove(server: ServerState, address: str) -> None:
    """Stop counting a connection."""
    counts = _counts[server]
    counts[address] -= 1
    if not counts[address]:
        del counts[address]
