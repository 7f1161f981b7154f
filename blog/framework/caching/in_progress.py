"""Responses that are being made: concurrent requests for the same page wait for one of them."""

import asyncio


class ResponseInProgress:
    """A response that one request makes, and that others may wait for."""

    def __init__(self) -> None:
        self._is_cacheable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def set_uncacheable(self) -> None:
        """Release the waiting requests: they cannot be answered from the cache."""
        self._set(False)

    def finish(self) -> None:
        """Release the waiting requests: the response is in the cache, or one of them tries next."""
        self._set(True)

    def _set(self, is_cacheable: bool) -> None:
        if not self._is_cacheable.done():
            self._is_cacheable.set_result(is_cacheable)

    async def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds. Return False if the response turned out not to be cacheable."""
        await asyncio.wait([self._is_cacheable], timeout=timeout)  # unlike `await`, does not cancel it for the others
        return not self._is_cacheable.done() or self._is_cacheable.result()
