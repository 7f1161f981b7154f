"""What all tests share: a migrated database of their own, the application within its lifespan, people who may do things."""

import contextlib
import datetime as dt
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx2
import hypothesis
import pytest
from argon2 import PasswordHasher
from httpx2.websockets import ASGIWebSocketTransport
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from blog.app import Application, create_app, open_site
from blog.db import migration
from blog.db.database import Database
from blog.domain.accounts import accounts, tokens
from blog.domain.accounts.models import User
from blog.domain.core.context import Context, Site
from blog.schemas.accounts import NewUser, Role
from blog.settings import Settings
from tests.support import postgres, serving
from tests.support.postgres import Databases

ORIGIN = "http://127.0.0.1:8000"
PASSWORD = "a long enough one"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where every server and browser is there, a skipped test is a failure."""
    report = yield
    if report.skipped and os.environ.get("BLOG_TEST_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may be skipped here: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "blog.db"
    migration.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id with the least work it can do; the real parameters have a test of their own."""
    monkeypatch.setattr(
        "blog.domain.core.password_hashing.PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )


# A busy machine may take long for one example; what must not take long has a test of its own. Without a number of examples
# the same ones come each time.
EXAMPLES = os.environ.get("BLOG_TEST_EXAMPLES")
hypothesis.settings.register_profile("blog", deadline=None, derandomize=EXAMPLES is None, max_examples=int(EXAMPLES or 100))
hypothesis.settings.load_profile("blog")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What uses a database is tried on each kind of it: SQLite, and a real PostgreSQL.

    Once is enough for browsers, which see no database, and for what is about SQLite itself (`pytest.mark.sqlite`).
    """
    if "database" in metafunc.fixturenames:
        once = "browser" in metafunc.fixturenames or metafunc.definition.get_closest_marker("sqlite")
        metafunc.parametrize("database", ["sqlite"] if once else ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of the database of this test."""
    return str(request.param)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """On a PostgreSQL of this process alone, or on that of BLOG_TEST_POSTGRES_URL."""
    with postgres.server() as url, contextlib.closing(Databases(url)) as made:
        yield made


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> str:
    """A migrated database without content."""
    if database == "postgresql":
        return str(request.getfixturevalue("databases").migrated())
    shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "blog.db")
    return f"sqlite:///{tmp_path / 'blog.db'}"


@pytest.fixture
def home(request: pytest.FixtureRequest, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for commands and servers, where there is no blog yet; they use this kind of database."""
    if database == "postgresql":
        monkeypatch.setenv(serving.DATABASE, request.getfixturevalue("databases").new())
    return tmp_path


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        _env_file=None,
        secret_key=SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"),
        database_url=database_url,
        media_dir=tmp_path / "media",
        project_name="Field Notes",
        public_url=ORIGIN,
        rate_limit="off",
        max_cache_bytes=0,  # tests write past the application; the cache has its own tests
    )


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    async with open_site(settings) as opened:
        yield opened


@pytest.fixture
def ctx(site: Site) -> Context:
    """A stranger's context; `as_user` gives somebody's."""
    return Context(site, None, dt.datetime.now(dt.UTC), "test")


MakeUser = Callable[..., Awaitable[User]]


@pytest.fixture
def make_user(ctx: Context) -> MakeUser:
    """Make an account: `await make_user("ada", Role.AUTHOR)`; its password is PASSWORD."""

    async def make(username: str, role: Role = Role.AUTHOR) -> User:
        new = NewUser(username=username, email=f"{username}@example.org", password=SecretStr(PASSWORD))
        return await accounts.create(ctx, new, role)

    return make


@pytest.fixture
async def author(ctx: Context, make_user: MakeUser) -> Context:
    """The context of an author named ada."""
    return ctx.acting_as(accounts.as_actor(await make_user("ada")))


@pytest.fixture
def app(settings: Settings) -> Application:
    return create_app(settings)


@contextlib.asynccontextmanager
async def running(app: Application) -> AsyncIterator[httpx2.AsyncClient]:
    """The application within its lifespan, and a client of it for HTTP and WebSocket."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        async with httpx2.AsyncClient(transport=ASGIWebSocketTransport(with_state), base_url=ORIGIN) as client:
            yield client


@pytest.fixture
async def client(app: Application) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(app) as running_client:
        yield running_client


@pytest.fixture
def bearer(ctx: Context, make_user: MakeUser) -> Callable[..., Awaitable[dict[str, str]]]:
    """Header fields of somebody new: `headers = await bearer("ada", Role.AUTHOR)`."""

    async def make(username: str, role: Role = Role.AUTHOR, **options: object) -> dict[str, str]:
        actor = accounts.as_actor(await make_user(username, role))
        made = await tokens.issue(ctx, actor, name="test", **options)
        return {"Authorization": f"Bearer {made.value}"}

    return make


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Headless Chromium; a test that needs it is skipped where there is none."""
    executable = os.environ.get("BLOG_TEST_BROWSER") or shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium: install it, or name one by BLOG_TEST_BROWSER")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=options)
        yield chromium
        chromium.close()
