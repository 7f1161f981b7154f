"""Limit the rate of messages from one client."""

_REFILL_SECONDS = 60.0


class TokenBucket:
    """A token bucket: `per_minute` messages at once, refilled evenly over a minute. Times are seconds of a monotonic clock."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._capacity = self._tokens = float(per_minute)
        self._refilled_at = now

    def try_acquire(self, now: float) -> bool:
        """Take one token. Return False if there is none."""
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * self._capacity / _REFILL_SECONDS)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
