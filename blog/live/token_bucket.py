"""How many messages one client may still send."""

_SECONDS = 60.0


class Allowance:
    """So many at once, and as many anew in each minute, evenly: a token bucket. Times are in seconds on any one clock."""

    def __init__(self, in_a_minute: int, now: float) -> None:
        self._most = self._left = float(in_a_minute)
        self._counted_at = now

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        self._left = min(self._most, self._left + (now - self._counted_at) * self._most / _SECONDS)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
