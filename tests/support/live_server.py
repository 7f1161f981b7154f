"""An application behind a real server, in the loop of the test: sockets have buffers, and clients can leave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from blog.app import Application
from blog.realtime import Hub
from blog.server import uvicorn_options as server_options


@contextlib.asynccontextmanager
async def served(app: Application) -> AsyncIterator[tuple[str, Hub]]:
    """The application, until the end of the block: its address and its hub."""
    options: Any = server_options(app.settings) | {"timeout_graceful_shutdown": 10}
    config = uvicorn.Config(app, port=0, lifespan="on", **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)  # between two looks, not instead of one
        assert not serving.done(), "the server did not start"
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"{host}:{port}", server.lifespan.state["hub"]
    finally:
        server.should_exit = True
        await serving


class Events:
    """The events of a stream (text/event-stream), one after the other."""

    def __init__(self, response: Any) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        """The fields of the next event; comments are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(5):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif not line and fields:
                    return fields
        raise EOFError
