"""Open the resources of a site, for the application, commands and tests."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import anyio

from blog.db.database import Database
from blog.domain.core.context import Site
from blog.domain.core.password_hashing import AsyncPasswordHasher
from blog.domain.core.runtime_settings import RuntimeSettings
from blog.domain.core.signing import Signer
from blog.domain.core.storage_factory import open_storage
from blog.domain.core.view_counter import ViewCounter
from blog.settings import Settings

MAX_CONCURRENT_IMAGE_DECODES = 1
"""Uploads decoded at once. Each takes one core and, at 50 million pixels, 0.4 GB (PNG, JPEG) to 1.3 GB (AVIF) of memory."""


@contextlib.asynccontextmanager
async def open_site(settings: Settings) -> AsyncIterator[Site]:
    """Yield the site with its database connected and its runtime settings loaded."""
    async with _database(settings) as db:
        runtime_settings = RuntimeSettings(settings)
        await runtime_settings.refresh(db)
        yield Site(
            settings,
            db,
            AsyncPasswordHasher(),
            Signer(settings.secret_key, settings.secret_key_previous),
            open_storage(settings),
            runtime_settings,
            anyio.CapacityLimiter(MAX_CONCURRENT_IMAGE_DECODES),
            ViewCounter(_own_hosts(settings)),
        )


def _database(settings: Settings) -> Database:
    timeouts = {"acquire_timeout": settings.database_timeout, "statement_timeout": settings.database_statement_timeout}
    if settings.is_sqlite:
        synchronous = settings.sqlite_synchronous.value
        return Database(settings.database_url, busy_timeout=settings.database_timeout, synchronous=synchronous, **timeouts)
    return Database(settings.database_url, pool_max=settings.database_pool_max, **timeouts)


def _own_hosts(settings: Settings) -> list[str]:
    """Return the host names under which the blog is reached."""
    return [urlsplit(settings.public_url).hostname or "", *settings.allowed_hosts]
