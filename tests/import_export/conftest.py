"""Fixtures: a folder to import, and the owner as the importing user."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.core.context import Context
from blog.schemas.accounts import Role

MakeFiles = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def make_files(tmp_path: Path) -> MakeFiles:
    """Return a function that writes files by path into a folder named `site`, and returns the folder."""

    def make(files: Mapping[str, str | bytes]) -> Path:
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make


@pytest.fixture
async def owner(ctx: Context, make_user: Callable[..., Awaitable[User]]) -> Context:
    """Return a context of the owner `grace`."""
    return ctx.acting_as(accounts.as_actor(await make_user("grace", Role.OWNER)))
