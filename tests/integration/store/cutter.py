"""A wire between a store and a real Redis that a test can cut at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path


class Cutter:
    """Passes bytes both ways. `cut_requests`: the next commit never arrives. `cut_answers`: it arrives, its answer is
    lost. Both end the connection, once, and count in `cuts`; connections made later work."""

    def __init__(self, target: Path, *, login: str) -> None:
        """`login` is the user and password of the URL: `user:password`."""
        self._directory = tempfile.TemporaryDirectory(prefix="cut", dir="/tmp")
        self._target = target
        self.path = Path(self._directory.name) / "cut.sock"
        self.url = f"unix://{login}@{self.path}"
        self.cut_requests = False
        self.cut_answers = False
        self.answers_lost = asyncio.Event()
        self.gate = asyncio.Event()
        """While clear, new connections wait: a test may act between the cut and the reading back."""
        self.gate.set()
        self.cuts = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._directory.cleanup()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):  # cancelled by `close` only
                await self.gate.wait()
                await self._connect(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._target))
        armed = asyncio.Event()
        up = asyncio.create_task(self._up(reader, server_writer, armed), name="cutter-up")
        down = asyncio.create_task(self._down(server_reader, writer, armed), name="cutter-down")
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server_writer.close()
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, armed: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            commits = b"EVALSHA" in data
            if commits and self.cut_requests:
                self.cut_requests = False
                self.cuts += 1
                return
            if commits and self.cut_answers:
                self.cut_answers = False
                self.cuts += 1
                armed.set()
            writer.write(data)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, armed: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            if armed.is_set():
                self.answers_lost.set()
                return
            writer.write(data)
            await writer.drain()
