"""Does the duration of a failed sign-in reveal whether a username exists?

    python tests/benchmarks/sign_in_timing.py [PAIRS] [--page]

Signs in with a wrong password to existing and to unknown names, in random order, and prints the
medians and the AUC (of Mann and Whitney: the chance that an existing name takes longer than an unknown one; 0.5 is pure chance)
with three standard errors of an AUC of chance. The exit code is 1 when it lies outside of them. Calls the domain with the
real parameters of argon2id, or with `--page` the whole application and its form.
"""

import asyncio
import datetime as dt
import logging
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import structlog
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from blog.app import create_app
from blog.db import migration
from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.errors import NotAuthenticated
from blog.schemas.accounts import Credentials, NewUser, Role
from blog.settings import Settings
from tests.support.configuration import make_settings

NAMES = 20
Attempt = Callable[[str], Awaitable[None]]


def auc(known: list[float], unknown: list[float]) -> float:
    """Return the share of pairs in which the existing name took longer; ties count half."""
    wins = sum((a > b) + 0.5 * (a == b) for a in known for b in unknown)
    return wins / (len(known) * len(unknown))


def bound(known: int, unknown: int) -> float:
    """Return three standard errors of the AUC for no difference."""
    return 3 * math.sqrt((known + unknown + 1) / (12 * known * unknown))


async def measure(attempt: Attempt, pairs: int) -> tuple[list[float], list[float]]:
    """Return the seconds of each attempt, for existing and for unknown names."""
    times: dict[str, list[float]] = {"known": [], "other": []}
    order = ["known", "other"] * pairs
    random.shuffle(order)
    for warm in range(4):
        await attempt(f"{order[warm]}{warm}")
    for kind in order:
        name = f"{kind}{random.randrange(NAMES)}"  # noqa: S311 (no secret)
        started = time.perf_counter()
        await attempt(name)
        times[kind].append(time.perf_counter() - started)
    return times["known"], times["other"]


async def by_domain(settings: Settings, pairs: int) -> tuple[list[float], list[float]]:
    """Measure the domain function."""
    async with open_site(settings) as site:
        ctx = Context(site, None, dt.datetime.now(dt.UTC), "benchmark")
        await _fill(ctx)

        async def attempt(name: str) -> None:
            try:
                await sessions.verify_password(ctx, Credentials(username=name, password=SecretStr("not the right one")))
            except NotAuthenticated:
                return
            raise AssertionError("that was the right password")

        return await measure(attempt, pairs)


async def by_page(settings: Settings, pairs: int) -> tuple[list[float], list[float]]:
    """Measure the form of the sign-in page, with all middleware."""
    async with open_site(settings) as site:
        await _fill(Context(site, None, dt.datetime.now(dt.UTC), "benchmark"))
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(with_state), base_url=settings.public_url) as client:

            async def attempt(name: str) -> None:
                answer = await client.post("/login", data={"username": name, "password": "not the right one"})
                assert answer.status_code == 401

            return await measure(attempt, pairs)


async def _fill(ctx: Context) -> None:
    for number in range(NAMES):
        new = NewUser(username=f"known{number}", email=f"known{number}@example.org", password=SecretStr("a long enough one"))
        await accounts.create(ctx, new, Role.READER)


def main() -> int:
    """Run in a temporary directory."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    arguments = [argument for argument in sys.argv[1:] if argument != "--page"]
    pairs = int(arguments[0]) if arguments else 300
    way = by_page if "--page" in sys.argv else by_domain
    with tempfile.TemporaryDirectory() as folder:
        settings = make_settings(
            secret_key=SecretStr("a secret for a benchmark, 32 characters"),
            database_url=f"sqlite:///{Path(folder) / 'blog.db'}",
            rate_limit="off",
        )
        migration.upgrade(settings.database_url)
        known, unknown = asyncio.run(way(settings, pairs))
    found, most = auc(known, unknown), bound(len(known), len(unknown))
    first, second = (statistics.median(times) * 1000 for times in (known, unknown))
    print(f"{len(known)} known names: median {first:.2f} ms; {len(unknown)} unknown: {second:.2f} ms")
    print(f"AUC {found:.3f}; chance alone keeps it within 0.5 ± {most:.3f}")
    return int(abs(found - 0.5) > most)


if __name__ == "__main__":
    sys.exit(main())
