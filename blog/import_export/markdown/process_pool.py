"""Typesetting while other work goes on: in a thread, or in processes of its own when a folder is so large that they pay."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import anyio
import anyio.to_thread

from blog.domain.posts.rendering import RenderedPost
from blog.import_export.markdown import rendering
from blog.import_export.markdown.folder import Rejection
from blog.import_export.markdown.source import SourcePost

WORTH_PROCESSES = 1_000_000
"""Bytes of text from which processes pay: each takes half a second to start, and renders two million bytes in one."""
_MOST_PROCESSES = 3  # what reads and writes the posts keeps up with no more

Work = tuple[SourcePost, str]
"""A post and the Markdown that the blog keeps of it."""
Typeset = tuple[RenderedPost, tuple[str, ...]] | Rejection
Typesetter = Callable[[Sequence[Work]], Awaitable[list[Typeset]]]


@contextlib.asynccontextmanager
async def typesetter(size: int) -> AsyncIterator[Typesetter]:
    """What typesets posts of so many bytes altogether, several at a call, in their order."""
    processes = min(_cores() - 1, _MOST_PROCESSES)
    if size < WORTH_PROCESSES or processes < 1:
        yield _in_thread
        return
    try:
        # Anew and not by a fork: this process has threads, whose locks a copy would keep for ever.
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _stay_with_the_importer)
    except (OSError, ImportError, NotImplementedError):  # no semaphores here, as in some containers
        yield _in_thread
        return
    try:

        async def in_processes(works: Sequence[Work]) -> list[Typeset]:
            loop = asyncio.get_running_loop()
            try:
                return await asyncio.gather(*(loop.run_in_executor(pool, rendering.render_source_post, *work) for work in works))
            except BrokenProcessPool:  # one was ended, such as for the memory that it took
                return await _in_thread(works)

        yield in_processes
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(pool.shutdown, cancel_futures=True))


async def _in_thread(works: Sequence[Work]) -> list[Typeset]:
    return await anyio.to_thread.run_sync(lambda: [rendering.render_source_post(*work) for work in works])


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stay_with_the_importer() -> None:
    """Leave Ctrl+C to the process that imports, and end with it, also when it is killed: nobody else would end this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importer = multiprocessing.parent_process()
    if importer is not None:
        threading.Thread(target=_end_after, args=(importer,), daemon=True).start()


def _end_after(importer: "multiprocessing.process.BaseProcess") -> None:
    importer.join()
    os._exit(1)
