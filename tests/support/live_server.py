"""An application behind a real server in the event loop of the test: with socket buffers, and clients that disconnect."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from blog.app import Application
from blog.realtime import Hub
from blog.server import uvicorn_options as server_options
from tests.support.patience import seconds


@contextlib.asynccontextmanager
async def served(app: Application, **changed: object) -> AsyncIterator[tuple[str, Hub]]:
    """Serve the application until the end of the block. Yields its address (host:port) and its hub.

    changed: options of uvicorn other than those of `blog serve`.
    """
    options: Any = server_options(app.settings) | {"timeout_graceful_shutdown": 10} | changed
    config = uvicorn.Config(app, port=0, lifespan="on", **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)  # polling interval
        assert not serving.done(), "the server did not start"
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"{host}:{port}", server.lifespan.state["hub"]
    finally:
        server.should_exit = True
        await serving


class Events:
    """A reader of a text/event-stream response."""

    def __init__(self, response: Any) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        """Return the fields of the next event and skip comments. Raises EOFError at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds(5)):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif not line and fields:
                    return fields
        raise EOFError
