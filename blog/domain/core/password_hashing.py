"""Password hashing with argon2id, in threads, at most two at a time."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

Args = TypeVarTuple("Args")
R = TypeVar("R")

# Each hash takes 64 MiB and a core for 0.1 s: more in parallel would only delay other requests.
_MAX_CONCURRENT_HASHES = 2


class AsyncPasswordHasher:
    """Hashes and verifies passwords with the defaults of argon2-cffi (RFC 9106, low memory)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._limiter = anyio.CapacityLimiter(_MAX_CONCURRENT_HASHES)
        self._dummy_hash: str | None = None

    async def hash(self, password: SecretStr) -> str:
        """Return the hash to store; it contains the salt and the parameters."""
        return await self._run(self._hasher.hash, password.get_secret_value())

    async def verify(self, password_hash: str | None, password: SecretStr) -> bool:
        """Return whether the password matches. Without a hash the same work is done, so that timing reveals nothing."""
        dummy_hash = await self._get_dummy_hash()  # computed at the first sign-in, whether the account exists or not
        matches = await self._run(self._matches, password_hash or dummy_hash, password.get_secret_value())
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Return whether the hash was made with weaker parameters than the current ones."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _get_dummy_hash(self) -> str:
        if self._dummy_hash is None:
            self._dummy_hash = await self._run(self._hasher.hash, "a password that no account has")
        return self._dummy_hash

    def _matches(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, function: Callable[[*Args], R], *args: *Args) -> R:
        return await anyio.to_thread.run_sync(function, *args, limiter=self._limiter)
