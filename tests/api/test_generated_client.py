"""A client generated from the served OpenAPI document compiles, and can create, read, edit, list and delete a post."""

import datetime as dt
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.support.serving import blog, clean_environment, free_port, serving, wait_until_up

PASSWORD = "a long enough one"
NAME = "generated_blog_client"


@dataclass(frozen=True)
class Site:
    """A running blog with one author, and the client that was generated from its document."""

    url: str
    folder: Path
    generator: subprocess.CompletedProcess[str]

    @property
    def package(self) -> Path:
        return self.folder / NAME


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    made = blog(folder, "user", "create", "ada", "ada@example.org", "--role", "author", "--password-stdin", stdin=PASSWORD)
    assert made.returncode == 0, made.stderr
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(folder, port) as (server, log):
        wait_until_up(port, server)
        yield Site(url, folder, generate(folder, f"{url}/api/openapi.json"))
    assert "Traceback" not in log.read_text()


@pytest.fixture
def package(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(site.folder)
    yield importlib.import_module(NAME)
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def generate(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    # Its hooks would only format what it made; its five seconds for the document are few on a busy machine.
    (folder / "generator.yaml").write_text("post_hooks: []\nhttp_timeout: 30\n")
    return python(folder, "-m", "openapi_python_client", "generate", "--url", url, "--fail-on-warning",
                  "--meta", "none", "--config", "generator.yaml", "--output-path", NAME)  # fmt: skip


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_generator_accepts_the_document_without_warnings(site: Site) -> None:
    said = site.generator
    assert (said.returncode, said.stderr, said.stdout) == (0, "", f"Generating {NAME}\n")
    document = httpx.get(f"{site.url}/api/openapi.json", timeout=30).json()
    operations = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert {path.stem for path in site.package.glob("api/*/*.py")} - {"__init__"} == operations


def test_generated_client_compiles(site: Site, package: ModuleType) -> None:
    compiled = python(site.folder, "-W", "error", "-m", "compileall", "-q", "-f", NAME)
    assert (compiled.returncode, compiled.stdout, compiled.stderr) == (0, "", "")
    found = [module.name for module in pkgutil.walk_packages(package.__path__, f"{NAME}.")]
    assert f"{NAME}.api.posts.patch_post" in found
    for name in found:
        importlib.import_module(name)


def test_generated_client_creates_reads_edits_lists_and_deletes_a_post(site: Site, package: ModuleType) -> None:
    models = importlib.import_module(f"{NAME}.models")
    draft, published = models.PostStatus.DRAFT, models.PostStatus.PUBLISHED

    def call(who: Any, operation: str, *arguments: Any, **options: Any) -> tuple[HTTPStatus, Any, httpx.Headers]:
        module = importlib.import_module(f"{NAME}.api.{operation}")
        answer = module.sync_detailed(*arguments, client=who, **options)
        return answer.status_code, answer.parsed, answer.headers

    # Any status that the document does not name raises.
    with package.Client(base_url=site.url, raise_on_unexpected_status=True) as stranger:
        wanted = models.NewToken(username="ada", password=PASSWORD, scopes=[models.Scope.POSTSWRITE], expires_in=600)
        status, token, _ = call(stranger, "tokens.post_tokens", body=wanted)
        assert (status, token.scopes, token.token_type) == (201, [models.Scope.POSTSWRITE], "bearer")
        with package.AuthenticatedClient(base_url=site.url, token=token.token, raise_on_unexpected_status=True) as ada:
            new = models.NewPost(title="First words", content="Some *Markdown*.", tags=["notes"], status=draft)
            status, made, headers = call(ada, "posts.post_posts", body=new)
            assert (status, made.title, made.status, made.version) == (201, "First words", draft, 1)
            assert (made.author, made.tags, made.published_at) == ("ada", ["notes"], None)
            assert "<em>Markdown</em>" in made.html
            assert headers["location"] == f"/api/v1/posts/{made.id}"
            assert dt.datetime.now(dt.UTC) - made.created_at < dt.timedelta(minutes=2)

            status, read, headers = call(ada, "posts.get_post", made.id)
            first = headers["etag"]
            assert (status, read) == (200, made)
            assert call(ada, "posts.get_post", made.id, if_none_match=first)[:2] == (304, None)
            status, problem, _ = call(stranger, "posts.get_post", made.id)
            assert (status, type(problem), problem.status) == (404, models.Problem, 404), "a draft is its writer's"

            changes = models.PostChanges(title="Better words", status=published)
            status, edited, headers = call(ada, "posts.patch_post", made.id, body=changes, if_match=first)
            assert (status, edited.title, edited.status, edited.version) == (200, "Better words", published, 2)
            assert (edited.content, edited.tags) == (made.content, made.tags), "what was not sent stays"
            assert edited.published_at >= made.created_at
            assert headers["etag"] != first
            status, problem, _ = call(ada, "posts.patch_post", made.id, body=changes, if_match=first)
            assert (status, problem.title) == (412, "Version conflict")
            status, problem, _ = call(ada, "posts.patch_post", made.id, body=models.PostChanges(title=""))
            assert (status, [fault.loc for fault in problem.errors]) == (422, [["body", "title"]])

            status, listed, _ = call(stranger, "posts.get_posts", tag="notes", author="ada")
            assert (status, [post.id for post in listed.items], listed.next_) == (200, [made.id], None)
            assert (listed.items[0].title, listed.items[0].version) == ("Better words", 2)
            status, drafts, _ = call(ada, "posts.get_posts", status=draft)
            assert (status, drafts.items) == (200, [])

            status, problem, _ = call(stranger, "posts.delete_post", made.id)
            assert (status, problem.status) == (401, 401)
            assert call(ada, "posts.delete_post", made.id, if_match=headers["etag"])[:2] == (204, None)
            for who in (ada, stranger):
                status, problem, _ = call(who, "posts.get_post", made.id)
                assert (status, problem.title, problem.instance) == (404, "Not found", f"/api/v1/posts/{made.id}")
            assert call(stranger, "posts.get_posts")[1].items == []
