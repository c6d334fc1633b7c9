"""Requests to a node, answered by its kubelet over the bus, so that a node opens no port.

The caller sends the parameters as JSON to `nodes.<node>.<method>` with an inbox; the answer comes back as chunks. Every
chunk is a message with the header `Backbeat-Chunk: <number>`; the caller grants credit by answering the reply subject
that every `WINDOW / 2`-th chunk carries, so that no more than WINDOW chunks are ever on their way. The end is a message
with `Backbeat-End`, empty for success, else JSON {"code", "reason", "message"}. While there is nothing to send, the
server sends a sign of life every second; a caller that hears nothing for some seconds gives up, and a server whose
caller stopped granting credit or answering does so too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import structlog

from broker import subjects
from broker.connection import Connection, Message, Subscription
from broker.errors import BusError, BusUnavailable, NodeUnreachable

log = structlog.get_logger(__name__)

Handler = Callable[[dict[str, Any]], AsyncGenerator[bytes, None]]

WINDOW = 16
MAX_CHUNK_BYTES = 64 * 1024
ALIVE_SECONDS = 1.0
SILENCE_SECONDS = 5.0

_CHUNK = "Backbeat-Chunk"
_END = "Backbeat-End"
_ALIVE = "Backbeat-Alive"

__all__ = ["Handler", "NodeError", "NodeUnreachable", "Server", "call"]


class NodeError(Exception):
    """The node refused or failed. A handler raises it; the caller gets it again."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


async def call(
    connection: Connection, node: str, method: str, params: Mapping[str, Any], *, timeout: float = SILENCE_SECONDS
) -> AsyncGenerator[bytes, None]:
    """The chunks of the answer. Raises NodeUnreachable when nobody serves the node, NodeError, BusUnavailable."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox, incoming.put_nowait)
    # Under the node's own subjects, which the node may hear even where the caller is of another account.
    control = subjects.node_subject(node, f"control-{secrets.token_hex(12)}")
    try:
        body = json.dumps({"params": dict(params), "control": control}).encode()
        await connection.publish(subjects.node_subject(node, method), body, reply=inbox)
        async for chunk in _chunks(connection, incoming, node, control, timeout):
            yield chunk
    finally:
        await subscription.unsubscribe()
        with contextlib.suppress(BusError):
            await asyncio.shield(connection.publish(control, b"stop"))


async def _chunks(
    connection: Connection, incoming: asyncio.Queue[Message], node: str, control: str, timeout: float
) -> AsyncIterator[bytes]:
    expected = 0
    while True:
        try:
            async with asyncio.timeout(max(timeout, SILENCE_SECONDS) if expected == 0 else SILENCE_SECONDS):
                message = await incoming.get()
        except TimeoutError as err:
            raise BusUnavailable(f'node "{node}" fell silent') from err
        headers = message.headers or {}
        if message.status == "503":
            raise NodeUnreachable(f'no kubelet serves node "{node}"')
        if _END in headers:
            if message.data:
                told = json.loads(message.data)
                raise NodeError(int(told["code"]), str(told["reason"]), str(told["message"]))
            return
        if _ALIVE in headers:
            await connection.publish(control, b"alive")
            continue
        if int(headers.get(_CHUNK, -1)) != expected:
            raise BusUnavailable("a part of the answer was lost")
        expected += 1
        yield message.data
        if expected % (WINDOW // 2) == 0:
            await connection.publish(control, str(expected).encode())


class Server:
    """Answers the requests for one node, each in a task of its own, until `run` is cancelled."""

    def __init__(self, connection: Connection, node: str, handlers: Mapping[str, Handler]) -> None:
        self._connection = connection
        self._node = node
        self._handlers = dict(handlers)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve, and subscribe again when the connection was rebuilt."""
        try:
            while True:
                await self._connection.wait_connected()
                await self._serve_generation()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve_generation(self) -> None:
        generation = self._connection.generation
        subscriptions: list[Subscription] = []
        try:
            for method in self._handlers:
                subject = subjects.node_subject(self._node, method)
                subscriptions.append(await self._connection.subscribe(subject, self._starter(method)))
            await self._connection.wait_renewed(generation)
        except BusUnavailable as err:
            log.debug("node requests wait for the bus", node=self._node, reason=str(err))
            await asyncio.sleep(0.2)
        finally:
            for subscription in subscriptions:
                await subscription.unsubscribe()

    def _starter(self, method: str) -> Callable[[Message], None]:
        def start(message: Message) -> None:
            answer = _Answer(self._connection, message, self._handlers[method])
            task = asyncio.create_task(answer.run(), name=f"node-rpc-{self._node}-{method}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return start


class _Answer:
    """One request being answered."""

    def __init__(self, connection: Connection, request: Message, handler: Handler) -> None:
        self._connection = connection
        self._inbox = request.reply
        self._body = request.data
        self._handler = handler
        self._sent = 0
        self._granted = WINDOW
        self._credit = asyncio.Event()
        self._heard = asyncio.get_running_loop().time()
        self._main: asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            request = json.loads(self._body)
            control = await self._connection.subscribe(str(request["control"]), self._on_control)
        except (ValueError, KeyError, TypeError) as err:
            await self._end(NodeError(400, "BadRequest", f"malformed request: {err}"))
            return
        except BusError as err:
            log.info("node request dropped", reason=str(err))
            return
        self._main = asyncio.current_task()
        alive = asyncio.create_task(self._keep_alive(), name="node-rpc-alive")
        try:
            await self._stream(request.get("params") or {})
        except BusError as err:
            log.info("answer to a node request was cut", reason=str(err))
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
            await control.unsubscribe()

    async def _stream(self, params: dict[str, Any]) -> None:
        error: NodeError | None = None
        try:
            async with contextlib.aclosing(self._handler(params)) as chunks:
                async for chunk in chunks:
                    for start in range(0, len(chunk), MAX_CHUNK_BYTES):
                        await self._send(chunk[start : start + MAX_CHUNK_BYTES])
        except NodeError as err:
            error = err
        except BusError:
            raise
        except Exception as err:  # the caller is told, whatever went wrong in the handler
            log.exception("node request failed")
            error = NodeError(500, "InternalError", f"{type(err).__name__}: {err}")
        await self._end(error)

    async def _send(self, chunk: bytes) -> None:
        while self._sent >= self._granted:
            self._credit.clear()
            await self._credit.wait()
        await self._connection.publish(self._inbox, chunk, headers={_CHUNK: str(self._sent)})
        self._sent += 1

    async def _end(self, error: NodeError | None) -> None:
        told = {"code": error.code, "reason": error.reason, "message": error.message} if error else None
        data = json.dumps(told).encode() if told else b""
        await self._connection.publish(self._inbox, data, headers={_END: "1"})

    def _on_control(self, message: Message) -> None:
        self._heard = asyncio.get_running_loop().time()
        if message.data == b"stop":
            if self._main is not None:
                self._main.cancel()
        elif message.data.isdigit():
            self._granted = int(message.data) + WINDOW
            self._credit.set()

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            if loop.time() - self._heard > SILENCE_SECONDS * 2 and self._main is not None:
                self._main.cancel()
                return
            with contextlib.suppress(BusError):
                await self._connection.publish(self._inbox, b"", headers={_ALIVE: "1"})
