"""A TCP relay that simulates a network failure: it forwards bytes until its connections are cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Relay:
    """A relay to one server. `taken` gets one item per accepted connection; `is_down` refuses new ones."""

    def __init__(self, host: str, port: int) -> None:
        self._target, self._open = (host, port), set[asyncio.StreamWriter]()
        self.is_down, self.taken = False, asyncio.Queue[None]()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen until the end of the block, and yield the address (host:port)."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Abort all connections."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        self.taken.put_nowait(None)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, far_writer}
        async with asyncio.TaskGroup() as both:
            both.create_task(self._forward(reader, far_writer))
            both.create_task(self._forward(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()
