"""The modules that a start of the server loads."""

import gc
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from blog.cli import main
from tests.support.serving import clean_environment

RARE = ("alembic", "asyncpg", "psycopg", "redis", "obstore", "webauthn", "sentry_sdk",
        "opentelemetry", "prometheus_client", "email_validator", "yaml", "segno")  # fmt: skip
START = """
import asyncio, sys
from blog.asgi import app

async def start():
    async with app.router.lifespan_context(app):
        pass

asyncio.run(start())
print(*sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


@pytest.mark.sqlite
def test_start_with_a_current_database_imports_nothing_rare(migrated_file: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "blog.db")
    command = [sys.executable, "-c", START, *RARE]
    started = subprocess.run(command, cwd=tmp_path, env=clean_environment(), check=True, capture_output=True, text=True)
    assert started.stdout.split() == []


def test_command_runs_with_garbage_collection() -> None:
    gc.disable()  # as `blog.__main__` does
    assert CliRunner().invoke(main, ["routes"]).exit_code == 0
    assert gc.isenabled()
    gc.unfreeze()
