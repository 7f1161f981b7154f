"""A busy event loop leaves the threads of the database their share of the interpreter."""

import subprocess
import sys
from pathlib import Path

from tests.support.serving import clean_environment

BUSY = """
import asyncio, time, uvloop
from blog.asgi import app, settings
from blog.db.database import Database

ROWS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 30) SELECT i FROM n"
turns = 0

def work():
    global turns
    turns += 1
    until = time.perf_counter() + 0.0003
    while time.perf_counter() < until:
        pass
    asyncio.get_running_loop().call_soon(work)

async def main():
    longest = 0
    async with Database(settings.database_url) as db:
        work()
        for _ in range(300):
            before = turns
            assert len(await db.fetch_all(ROWS)) == 30
            longest = max(longest, turns - before)
    print(longest)

uvloop.run(main())
"""


def test_statements_finish_while_the_event_loop_is_busy(tmp_path: Path) -> None:
    environment = clean_environment() | {"DATABASE_URL": f"sqlite:///{tmp_path / 'blog.db'}"}
    (tmp_path / "blog.db").touch()
    run = subprocess.run(
        [sys.executable, "-c", BUSY], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 1_000, "turns of the loop, of 0.3 ms each, that a statement waited for"
