"""Fixtures for all tests: a migrated database, the application within its lifespan, accounts and their credentials."""

import contextlib
import datetime as dt
import fcntl
import functools
import inspect
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import hypothesis
import jinja2
import pytest
from httpx2.websockets import ASGIWebSocketTransport
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from sqlalchemy.engine.interfaces import Dialect
from starlette.types import Receive, Scope, Send
from xdist.scheduler import WorkStealingScheduling

from blog.app import Application, create_app
from blog.db import migration
from blog.db.compiled_queries import StatementCache
from blog.db.database import Database
from blog.domain.accounts import accounts, tokens
from blog.domain.accounts.models import User
from blog.domain.core.context import Context, Site
from blog.domain.core.site import open_site
from blog.domain.posts import rendering
from blog.framework.templating import templating
from blog.schemas.accounts import NewUser, Role
from blog.settings import Settings
from tests.support import patience, postgres, serving
from tests.support.configuration import make_settings
from tests.support.postgres import Databases
from tests.support.processes import cheap_hasher

ORIGIN = "http://127.0.0.1:8000"
PASSWORD = "a long enough one"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure if `BLOG_TEST_NO_SKIP` is set: then every server and browser is installed."""
    report = yield
    if report.skipped and os.environ.get("BLOG_TEST_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may be skipped here: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary directory of this run, shared by its xdist workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def migrated_file(run_dir: Path) -> Path:
    """A migrated database to copy: migrating takes longer than most tests, so that one worker does it for all."""
    path = run_dir / "migrated" / "blog.db"
    path.parent.mkdir(exist_ok=True)
    with (run_dir / "migration.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            partial = path.with_name("partial.db")
            migration.upgrade(f"sqlite:///{partial}")
            partial.rename(path)
    return path


@pytest.fixture(scope="session", autouse=True)
def shared_compilations(run_dir: Path) -> Iterator[None]:
    """Compile each SQL statement once per process and each template once per run.

    Every test makes an application, which would compile both again: a third of the CPU time of a test of a page.
    """
    (run_dir / "templates").mkdir(exist_ok=True)
    bytecode = jinja2.FileSystemBytecodeCache(str(run_dir / "templates"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templating, "_Environment", functools.partial(templating._Environment, bytecode_cache=bytecode))
        for dialect in ("sqlite", "postgresql"):
            patch.setattr(f"blog.db.{dialect}.backend.StatementCache", _CachePerDialect())
        yield


class _CachePerDialect:
    """Replaces `StatementCache`: all databases of a dialect get the same one."""

    def __init__(self) -> None:
        self._cache: StatementCache | None = None

    def __call__(self, dialect: Dialect) -> StatementCache:
        self._cache = self._cache or StatementCache(dialect)
        return self._cache


_render_once = functools.cache(rendering.render_post)


@pytest.fixture
def shared_renderings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render each text of a real blog once per process: the HTML depends on the text alone, and takes most of an import."""
    monkeypatch.setattr("blog.domain.posts.rendering.render_post", _render_once)


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run argon2id with its lowest costs; the real parameters have their own test."""
    monkeypatch.setattr("blog.domain.core.password_hashing.PasswordHasher", cheap_hasher)


# No deadline for one example: a busy machine would exceed it. Without BLOG_TEST_EXAMPLES each run tries the same examples.
EXAMPLES = os.environ.get("BLOG_TEST_EXAMPLES")
hypothesis.settings.register_profile("blog", deadline=None, derandomize=EXAMPLES is None, max_examples=int(EXAMPLES or 50))
hypothesis.settings.load_profile("blog")

# Tests that use a database run on SQLite, and those below these paths on PostgreSQL as well. The others are about HTTP, forms,
# limits and caches: they use the queries that these cover. BLOG_TEST_POSTGRESQL=all runs every one of them twice.
POSTGRESQL_TOO = (
    "tests/cli/", "tests/db/", "tests/domain/", "tests/import_export/", "tests/live/", "tests/mail/", "tests/ops/",
    "tests/api/test_accounts", "tests/api/test_comments", "tests/api/test_events", "tests/api/test_flags",
    "tests/api/test_posts", "tests/api/test_queries", "tests/framework/test_idempotency", "tests/fuzz/test_requests",
    "tests/web/admin/", "tests/web/comments/", "tests/web/discovery/", "tests/web/posts/test_history",
    "tests/web/posts/test_views", "tests/web/test_pages", "tests/web/test_write_lock",
)  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that use a database on SQLite and on a real PostgreSQL.

    On SQLite alone: browser tests, and tests about SQLite itself (`pytest.mark.sqlite`).
    """
    if "database" in metafunc.fixturenames:
        path = metafunc.definition.path.relative_to(metafunc.config.rootpath).as_posix()
        once = "browser" in metafunc.fixturenames or metafunc.definition.get_closest_marker("sqlite")
        twice = path.startswith(POSTGRESQL_TOO) or os.environ.get("BLOG_TEST_POSTGRESQL") == "all"
        metafunc.parametrize("database", ["sqlite", "postgresql"] if twice and not once else ["sqlite"], indirect=True)


def pytest_configure() -> None:
    """Create temporary directories in memory: SQLite waits for the disk at each commit."""
    with contextlib.suppress(OSError):
        memory = os.statvfs("/dev/shm")
        if memory.f_bavail * memory.f_frsize > 4 * 2**30 and not memory.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scale the timeouts by `BLOG_TEST_PATIENCE`, and start with the slow tests: at the end they would keep one worker alone."""
    for item in items:
        if patience.FACTOR != 1:
            marker = item.get_closest_marker("timeout")
            limit = float(marker.args[0] if marker else item.config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(patience.seconds(limit)), append=False)
    items.sort(key=lambda item: not item.path.name.startswith(SLOW))


SLOW = ("test_schemathesis", "test_rolling_restart", "test_cluster", "test_crash", "test_many_writers", "test_editor_browser")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let a worker that has finished take tests from the others: their durations differ by a factor of 1,000."""
    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database of this test: "sqlite" or "postgresql"."""
    return str(request.param)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A PostgreSQL server of this process, or the one of `BLOG_TEST_POSTGRES_URL`."""
    with postgres.server() as url, contextlib.closing(Databases(url)) as made:
        yield made


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a migrated database without content. Applications do not migrate it again at their start."""
    if database == "postgresql":
        url = str(request.getfixturevalue("databases").migrated())
    else:
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "blog.db")
        url = f"sqlite:///{tmp_path / 'blog.db'}"
    # Alembic needs 12 ms to find that nothing is to be done: a third of the start of an application.
    monkeypatch.setattr("blog.app.migration", _MigrationExceptOf(url))
    return url


@dataclass
class _MigrationExceptOf:
    """Replaces `blog.db.migration` where applications start; `url` is the migrated database."""

    url: str

    def upgrade(self, url: str) -> None:
        if url != self.url:
            migration.upgrade(url)


@pytest.fixture
def home(request: pytest.FixtureRequest, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory for commands and servers, which use this kind of database."""
    if database == "postgresql":
        monkeypatch.setenv(serving.DATABASE, request.getfixturevalue("databases").new())
    return tmp_path


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return make_settings(
        secret_key=SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"),
        database_url=database_url,
        media_dir=tmp_path / "media",
        project_name="Field Notes",
        public_url=ORIGIN,
        rate_limit="off",
        max_cache_bytes=0,  # tests write without the application, which would not invalidate; the cache has its own tests
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
    """The context of an anonymous client."""
    return Context(site, None, dt.datetime.now(dt.UTC), "test")


MakeUser = Callable[..., Awaitable[User]]
Bearer = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
def make_user(ctx: Context) -> MakeUser:
    """Create an account with PASSWORD: `await make_user("ada", Role.AUTHOR)`."""

    async def make(username: str, role: Role = Role.AUTHOR) -> User:
        new = NewUser(username=username, email=f"{username}@example.org", password=SecretStr(PASSWORD))
        return await accounts.create(ctx, new, role)

    return make


@pytest.fixture
async def author(ctx: Context, make_user: MakeUser) -> Context:
    """The context of an author with the username ada."""
    return ctx.acting_as(accounts.as_actor(await make_user("ada")))


@pytest.fixture
def app(settings: Settings) -> Application:
    return create_app(settings)


@contextlib.asynccontextmanager
async def running(app: Application) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application's lifespan, and return a client of the application for HTTP and WebSocket."""
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
def bearer(ctx: Context, make_user: MakeUser) -> Bearer:
    """Create an account and return the header fields of its token: `headers = await bearer("ada", Role.AUTHOR)`."""

    async def make(username: str, role: Role = Role.AUTHOR, **options: Any) -> dict[str, str]:
        actor = accounts.as_actor(await make_user(username, role))
        made = await tokens.issue(ctx, actor, name="test", **options)
        return {"Authorization": f"Bearer {made.value}"}

    return make


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start headless Chromium; skip the test if it is not installed."""
    executable = os.environ.get("BLOG_TEST_BROWSER") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed. Install it, or name its executable in BLOG_TEST_BROWSER.")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=options)
        yield started
        started.close()


@pytest.fixture(scope="module")
def module_browser(request: pytest.FixtureRequest) -> Iterator[Browser | None]:
    """One Chromium for all tests of a module, or None if some are asynchronous: Playwright occupies the thread's event loop."""
    if any(inspect.iscoroutinefunction(member) for member in vars(request.module).values()):
        yield None
    else:
        with chromium() as started:
            yield started


@pytest.fixture
def browser(module_browser: Browser | None) -> Iterator[Browser]:
    """Headless Chromium without cookies and pages of other tests."""
    if module_browser is None:
        with chromium() as started:
            yield started
        return
    yield module_browser
    for context in module_browser.contexts:
        context.close()
