"""How many messages one client may still send."""

_REFILL_SECONDS = 60.0


class TokenBucket:
    """So many at once, and as many anew in each minute, evenly: a token bucket. Times are in seconds on any one clock."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._capacity = self._tokens = float(per_minute)
        self._refilled_at = now

    def try_acquire(self, now: float) -> bool:
        """Take one, if there is one."""
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * self._capacity / _REFILL_SECONDS)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
