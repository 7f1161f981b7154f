"""Suspension through one worker process, and its effect in another one, with the same database."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.live.test_endpoints import closed, following
from tests.support.live_server import Events
from tests.support.patience import seconds
from tests.support.serving import blog, clean_environment, free_port, serving, wait_until_up

PASSWORD = "a long enough one"
SCOPES = {"owner": ("--scope", "admin"), "editor": ("--scope", "account", "--scope", "comments:write")}
WITHIN = 1.0
"""Seconds within which a suspension has effect everywhere, as .docs/security.md says."""


@pytest.fixture
def workers(home: Path) -> Iterator[tuple[str, str]]:
    """Yield the addresses of two processes that share a database and a secret key."""
    shared = {
        "DATABASE_URL": clean_environment().get("DATABASE_URL", f"sqlite:///{home / 'blog.db'}"),
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz", "MEDIA_DIR": str(home / "media"), "RATE_LIMIT": "off",
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        addresses = []
        for name in ("one", "two"):
            port, folder = free_port(), home / name
            folder.mkdir()
            address = f"http://127.0.0.1:{port}"
            process, _log = stack.enter_context(serving(folder, port, **shared, PUBLIC_URL=address))
            wait_until_up(port, process)
            addresses.append(address)
        yield addresses[0], addresses[1]


def account(home: Path, name: str, role: str) -> dict[str, str]:
    """Create an account, and return the header fields of its token."""
    secret = {"SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz"}
    created = blog(home, "user", "create", name, f"{name}@example.org", "--role", role, "--password-stdin", stdin=PASSWORD)
    assert created.returncode == 0, created.stderr
    token = blog(home, "token", "create", name, *SCOPES[role], **secret)
    assert token.returncode == 0, token.stderr
    return {"Authorization": f"Bearer {token.stdout.strip()}"}


@pytest.mark.timeout(120)
async def test_person_suspended_through_one_worker_is_refused_by_the_other(home: Path, workers: tuple[str, str]) -> None:
    one, two = workers
    ora, edo = account(home, "ora", "owner"), account(home, "edo", "editor")
    own = {"Origin": two}
    async with httpx2.AsyncClient(base_url=one, headers=ora) as owner, httpx2.AsyncClient(base_url=two) as browser:
        assert (await browser.post("/login", data={"username": "edo", "password": PASSWORD}, headers=own)).status_code == 303
        assert (await browser.get("/moderation")).status_code == 200
        user_id = (await browser.get("/api/v1/users/me", headers=edo)).json()["id"]
        live = two.replace("http", "ws") + "/live"
        channel = {"channel": "moderation"}
        async with (
            httpx2.AsyncClient(base_url=two, timeout=seconds(30)) as program,
            following(program, live, headers=edo) as by_token,
            following(browser, live, headers=own) as by_session,
            program.stream("GET", "/api/v1/events/stream", params=channel, headers=edo) as stream,
        ):
            assert (by_token.welcome["user"], by_session.welcome["user"], stream.status_code) == ("edo", "edo", 200)
            events = Events(stream)
            poll = asyncio.create_task(program.get("/api/v1/events", params=channel | {"wait": "25"}, headers=edo))
            await asyncio.sleep(0.3)  # the poll waits
            suspended = await owner.put(f"/api/v1/users/{user_id}/suspension", json={"comments": "keep"})
            began = time.monotonic()
            assert suspended.status_code == 200
            page, token = await browser.get("/moderation"), await program.get("/api/v1/users/me", headers=edo)
            assert (page.status_code, page.headers["location"].partition("?")[0], token.status_code) == (303, "/login", 401)
            with anyio.fail_after(seconds(WITHIN)):
                assert [await closed(by_token), await closed(by_session)] == [4401, 4401]
                assert (await poll).status_code == 401
                with pytest.raises(EOFError):
                    while True:
                        await events.next()
            assert time.monotonic() - began < seconds(WITHIN)
        signed_in = await browser.post("/login", data={"username": "edo", "password": PASSWORD}, headers=own)
        assert (signed_in.status_code, "This account is suspended" in signed_in.text) == (403, True)
