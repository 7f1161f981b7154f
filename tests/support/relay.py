"""A network that can break: hands bytes on between clients and a server until it is cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Relay:
    """Listens on a port of its own; `cut` breaks all connections in the middle of whatever goes on. `taken`: one for each."""

    def __init__(self, host: str, port: int) -> None:
        self._target, self._open = (host, port), set[asyncio.StreamWriter]()
        self.is_down, self.taken = False, asyncio.Queue[None]()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Until the end of the block; the address."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        self.taken.put_nowait(None)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, far_writer}
        async with asyncio.TaskGroup() as both:
            both.create_task(self._hand_on(reader, far_writer))
            both.create_task(self._hand_on(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()
