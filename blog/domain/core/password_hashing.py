"""Passwords: argon2id, off the event loop, few at a time."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

Args = TypeVarTuple("Args")
R = TypeVar("R")

# Each hash takes 64 MiB and a core for a tenth of a second: more at once would only starve the rest.
_MAX_CONCURRENT_HASHES = 2


class AsyncPasswordHasher:
    """Hashes and verifies; parameters are argon2-cffi's own defaults (RFC 9106, low memory)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._limiter = anyio.CapacityLimiter(_MAX_CONCURRENT_HASHES)
        self._dummy_hash: str | None = None

    async def hash(self, password: SecretStr) -> str:
        """The hash to keep, with salt and parameters in it."""
        return await self._run(self._hasher.hash, password.get_secret_value())

    async def verify(self, password_hash: str | None, password: SecretStr) -> bool:
        """Is it the password of this hash? Without a hash the same work is done, so that time tells nothing."""
        decoy = await self._get_dummy_hash()  # made at the first sign-in of all, whosever it is: it must not cost more for some
        matches = await self._run(self._matches, password_hash or decoy, password.get_secret_value())
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Was the hash made with weaker parameters than today's?"""
        return self._hasher.check_needs_rehash(password_hash)

    async def _get_dummy_hash(self) -> str:
        if self._dummy_hash is None:
            self._dummy_hash = await self._run(self._hasher.hash, "the password of nobody")
        return self._dummy_hash

    def _matches(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, function: Callable[[*Args], R], *args: *Args) -> R:
        return await anyio.to_thread.run_sync(function, *args, limiter=self._limiter)
