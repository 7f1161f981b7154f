"""Rendering in processes of its own: the same posts as in a thread, and nobody left behind."""

import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import blog
from blog.db import tables
from blog.domain.core.context import Context
from blog.import_export.markdown import process_pool
from blog.import_export.markdown.importer import import_markdown
from blog.import_export.markdown.process_pool import typesetter
from blog.schemas.fields import MAX_CONTENT_BYTES
from tests.import_export.conftest import MakeFiles

POSTS = {
    f"2026-01-{day:02}-day.md": f"---\ntitle: Day {day}\ntags: [day]\n---\n# {day}\n\n*Words* of it." for day in range(1, 29)
}
KILLED = """
import asyncio, os, pathlib, signal, sys
from blog.import_export.markdown import folder as tree, process_pool as typesetters, source as markdown_source

async def main():
    source = tree.scan(pathlib.Path(sys.argv[1]))
    posts = [markdown_source.read(source, path) for path in source.paths]
    async with typesetters.typesetter(typesetters.WORTH_PROCESSES) as typeset:
        [(manuscript, _), *_] = await typeset([(post, post.body) for post in posts])
        print(manuscript.html, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch):
    """As on a machine with two, whatever this one has; and every folder is large enough."""
    monkeypatch.setattr(process_pool, "_cores", lambda: 2)
    monkeypatch.setattr(process_pool, "WORTH_PROCESSES", 0)


async def texts(ctx: Context) -> list[tuple[str, str]]:
    rows = await ctx.db.fetch_all(sa.select(tables.posts.c.title, tables.posts.c.html).order_by(tables.posts.c.id))
    return [(row["title"], row["html"]) for row in rows]


async def test_processes_make_the_posts_in_their_order(owner: Context, make_files: MakeFiles, two_cores: Any) -> None:
    done: list[int] = []
    report = await import_markdown(owner, make_files(POSTS), progress=lambda count, _total: done.append(count))
    assert (report.totals.posts, report.totals.tag_assignments, report.rejections) == (28, 28, ())
    assert done == [0, 25, 28]
    assert await texts(owner) == [
        (f"Day {day}", f'<h1 id="c-{day}">{day}</h1>\n<p><em>Words</em> of it.</p>\n') for day in range(1, 29)
    ]


async def test_what_is_too_long_is_refused_by_a_process_as_well(owner: Context, make_files: MakeFiles, two_cores: Any) -> None:
    long = "---\ntitle: Long\n---\n" + "x" * MAX_CONTENT_BYTES + "x"
    folder = make_files({"2026-01-01-long.md": long, "2026-01-02-day.md": POSTS["2026-01-02-day.md"]})
    report = await import_markdown(owner, folder)
    assert [(refusal.path, "cannot be longer" in refusal.reason) for refusal in report.rejections] == [
        ("2026-01-01-long.md", True)
    ]
    assert [title for title, _ in await texts(owner)] == ["Day 2"]


async def test_no_process_is_started_for_nothing(
    owner: Context, make_files: MakeFiles, two_cores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_files(POSTS)
    await import_markdown(owner, folder)
    monkeypatch.setattr(process_pool.ProcessPoolExecutor, "_spawn_process", lambda self: pytest.fail("a process was started"))
    again = await import_markdown(owner, folder)
    assert again.totals.unchanged == 28


def _no_semaphores(*_arguments: object) -> None:
    raise OSError("Function not implemented")


class Broken(Executor):
    """Its processes were ended."""

    def __init__(self, *_arguments: object) -> None: ...

    def submit(self, *_arguments: object) -> Future[object]:  # type: ignore[override]
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")


@pytest.mark.parametrize("executor", [_no_semaphores, Broken])
async def test_thread_renders_where_processes_cannot(
    owner: Context, make_files: MakeFiles, two_cores: Any, monkeypatch: pytest.MonkeyPatch, executor: Any
) -> None:
    monkeypatch.setattr(process_pool, "ProcessPoolExecutor", executor)
    report = await import_markdown(owner, make_files(POSTS))
    assert (report.totals.posts, report.rejections) == (28, ())


async def test_refused_posts_are_not_warned_of(owner: Context, make_files: MakeFiles, two_cores: Any) -> None:
    image = "![](gone.png)\n"
    long = "---\ntitle: Long\n---\n" + image + "x" * MAX_CONTENT_BYTES
    report = await import_markdown(owner, make_files({"2026-01-01-long.md": long, "2026-01-02-short.md": image}))
    assert [refusal.path for refusal in report.rejections] == ["2026-01-01-long.md"]
    assert [warning.partition(":")[0] for warning in report.warnings] == ["2026-01-02-short.md"]


async def test_one_core_renders_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "_cores", lambda: 1)
    monkeypatch.setattr(process_pool, "ProcessPoolExecutor", lambda *_args: pytest.fail("processes were made ready"))
    async with typesetter(process_pool.WORTH_PROCESSES) as typeset:
        assert await typeset([]) == []


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: processes are not used")
def test_processes_end_with_the_importer_that_is_killed(make_files: MakeFiles) -> None:
    folder, root = make_files(POSTS), str(Path(blog.__file__).parents[1])
    command = [sys.executable, "-c", KILLED, str(folder)]
    # Its output ends when the last process that could write to it has ended: one left behind lets this run out of time.
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": root}, stdout=subprocess.PIPE, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert b"<em>Words</em>" in ended.stdout
