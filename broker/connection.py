"""One connection to NATS. The only module that imports the library `nats`.

`run` connects, and connects again, for as long as it is not cancelled; everything else works while it runs and raises
BusUnavailable while there is no connection. The library's own reconnect is used for a lost connection; a watchdog asks
the server for a sign of life and rebuilds the whole connection when none comes, because the library's read loop can
die while it still says that it is connected. Then `generation` rises: subscriptions of before are dead, and whoever
holds one subscribes again.

Not promised: that a message which was published or is on its way arrives. Who needs that asks JetStream to answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from broker.credentials import Credentials
from broker.errors import BusUnavailable, NodeUnreachable, from_api
from broker.login import Login, UrlLogin
from broker.nkeys import BadKey

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS = 2
RECONNECT_SECONDS = 0.1
WATCHDOG_SECONDS = 2.0
WATCHDOG_PATIENCE_SECONDS = 5
CLOSE_SECONDS = 1.0
REQUEST_TIMEOUT_SECONDS = 5.0
_UNBOUNDED = 2**31 - 1

_ENCRYPTED = frozenset({"tls", "wss"})

_LOST = (nats.errors.Error, OSError, asyncio.TimeoutError)


@dataclass(frozen=True, slots=True)
class Message:
    """What arrived. `status` is set on JetStream's own notices (`100`, `404`, `408`, `409`, `503`)."""

    subject: str
    reply: str
    data: bytes
    headers: Mapping[str, str] | None

    @property
    def status(self) -> str:
        return self.headers.get("Status", "") if self.headers else ""


Handler = Callable[[Message], None]


class _SecureClient(Client):
    """The library goes on in plain text where TLS was asked for and the server, or somebody in between, says that it
    needs none. This one says nothing to such a server, least of all who it is."""

    def _connect_command(self) -> bytes:
        server = self._current_server
        asked = "tls" in self.options or (server is not None and server.uri.scheme in _ENCRYPTED)
        encrypted = self._server_info.get("tls_required") or (server is not None and server.uri.scheme == "wss")
        if asked and not encrypted:
            raise nats.errors.SecureConnRequiredError
        return bytes(super()._connect_command())


class Subscription:
    """Interest in a subject. `unsubscribe` may be called on a dead one."""

    def __init__(self, inner: NatsSubscription) -> None:
        self._inner = inner

    async def unsubscribe(self) -> None:
        with contextlib.suppress(*_LOST), _cancellable():
            await self._inner.unsubscribe()


class Connection:
    """See the module's docstring.

    `login` is a URL in one of the forms of `broker.login`, or something that tells the same at every connect.
    """

    def __init__(self, login: str | Login, *, name: str) -> None:
        self._login: Login = UrlLogin(login) if isinstance(login, str) else login
        self._name = name
        self._listener = False
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._running = False
        self._next = asyncio.Event()
        self._max_payload = 0
        self.generation = 0
        self.history: str | None = None
        """Which history of the stream was read over this connection; None before that was asked. See `stream.known`."""

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def listener(self) -> bool:
        """Whether the credentials are a listener's, who may ask JetStream for nothing but its own consumer."""
        return self._listener

    @property
    def max_payload(self) -> int:
        """The server's limit in bytes, as it was last told; 0 until then."""
        if self._client is not None and self.connected:
            self._max_payload = int(self._client.max_payload)
        return self._max_payload

    async def wait_connected(self) -> None:
        await self._up.wait()

    async def wait_renewed(self, generation: int) -> None:
        """Return once the connection is a later one than `generation`."""
        while self.generation == generation:
            await self._next.wait()

    def _renewed(self) -> None:
        self.generation += 1
        self._up.set()
        self._next.set()
        self._next = asyncio.Event()

    async def run(self) -> None:
        """Keep a connection until cancelled. One at a time."""
        if self._running:
            raise RuntimeError("the connection is run already")
        self._running = True
        try:
            while True:
                await self._connect()
                await self._watch()
        finally:
            self._running = False
            await self.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Connection]:
        """Run for the length of a block, connected when it begins."""
        task = asyncio.create_task(self.run(), name=f"connection-{self._name}")
        try:
            await self.wait_connected()
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        self._up.clear()
        client, self._client = self._client, None
        if client is not None:
            await _close(client)

    async def _connect(self) -> None:
        pause = RECONNECT_SECONDS
        while True:
            client = _SecureClient()
            try:
                await client.connect(
                    servers=list(await self._login.servers()),
                    name=self._name,
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                    reconnect_time_wait=1,
                    max_reconnect_attempts=-1,
                    allow_reconnect=True,
                    ping_interval=5,
                    max_outstanding_pings=2,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_down,
                    reconnected_cb=self._on_up,
                    pending_size=64 * 1024 * 1024,
                    **self._identity(),
                )
            except (*_LOST, BadKey) as err:
                await _close(client)
                log.info("nats is not reachable", error=str(err) or type(err).__name__, retry_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                continue
            except BaseException:
                await _close(client)
                raise
            self._client = client
            self._renewed()
            log.info("connected to nats", generation=self.generation)
            return

    def _identity(self) -> dict[str, Any]:
        found = self._login.credentials()
        tls = self._login.tls()
        options: dict[str, Any] = {"tls": tls} if tls is not None else {}
        self._listener = found is not None and found.listener
        if found is not None:
            options |= {
                "user_jwt_cb": lambda: self._newest().jwt.encode(),
                "signature_cb": lambda nonce: self._newest().sign(nonce),
                "inbox_prefix": found.inbox_prefix,
            }
        return options

    def _newest(self) -> Credentials:
        found = self._login.credentials()
        if found is None:
            raise BadKey("the credentials are gone")
        return found

    async def _watch(self) -> None:
        """Return when the connection must be rebuilt."""
        while True:
            await asyncio.sleep(WATCHDOG_SECONDS)
            client = self._client
            if client is None or client.is_closed:
                return
            if not client.is_connected:
                continue
            try:
                with _cancellable():
                    await client.flush(WATCHDOG_PATIENCE_SECONDS)
            except _LOST:
                if client.is_connected:
                    log.warning("nats does not answer, rebuilding the connection")
                    await self.close()
                    return

    async def _on_error(self, error: Exception) -> None:
        log.debug("nats reported an error", error=str(error) or type(error).__name__)

    async def _on_down(self) -> None:
        self._up.clear()
        log.info("nats connection lost")

    async def _on_up(self) -> None:
        self._renewed()
        log.info("nats connection is back", generation=self.generation)

    def _live(self) -> Client:
        client = self._client
        if client is None or not client.is_connected:
            raise BusUnavailable("not connected to NATS")
        return client

    async def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send and forget. Raises BusUnavailable."""
        try:
            with _cancellable():
                await self._live().publish(subject, data, reply=reply, headers=headers)
        except _LOST as err:
            raise BusUnavailable(str(err)) from err

    async def flush(self, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> None:
        """Return when the server has everything that was published before. Raises BusUnavailable."""
        try:
            with _cancellable():
                await self._live().flush(math.ceil(timeout_seconds))
        except _LOST as err:
            raise BusUnavailable("the server did not answer") from err

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    ) -> bytes:
        """Ask and wait for one answer. Raises NodeUnreachable when nobody listens, BusUnavailable otherwise."""
        try:
            with _cancellable():
                answer = await self._live().request(subject, data, timeout=timeout_seconds)
        except nats.errors.NoRespondersError as err:
            raise NodeUnreachable(f"nobody answers {subject}") from err
        except _LOST as err:
            raise BusUnavailable(f"no answer on {subject}") from err
        return bytes(answer.data)

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """Call `handler` for each message, in order. It must be quick and must not raise."""

        async def deliver(msg: Msg) -> None:
            handler(Message(msg.subject, msg.reply, msg.data, msg.headers))

        try:
            with _cancellable():
                inner = await self._live().subscribe(
                    subject, queue=queue, cb=deliver, pending_msgs_limit=_UNBOUNDED, pending_bytes_limit=_UNBOUNDED
                )
        except _LOST as err:
            raise BusUnavailable(str(err)) from err
        return Subscription(inner)

    def new_inbox(self) -> str:
        return str(self._live().new_inbox())

    async def api(
        self, suffix: str, payload: Mapping[str, Any] | None = None, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        """One request to JetStream's API (`$JS.API.<suffix>`). Raises what `errors.from_api` makes of a refusal."""
        data = json.dumps(payload).encode() if payload is not None else b""
        try:
            raw = await self.request(f"$JS.API.{suffix}", data, timeout_seconds=timeout_seconds)
        except NodeUnreachable as err:
            raise BusUnavailable("JetStream does not answer") from err
        answer: dict[str, Any] = json.loads(raw)
        if "error" in answer:
            raise from_api(answer["error"])
        return answer


@contextlib.contextmanager
def _cancellable() -> Iterator[None]:
    """A cancellation that comes while the library works is raised in any case.

    The library swallows some, and `asyncio.wait_for` of Python 3.11, which it uses, does when the answer comes in the
    same turn. Nobody cancels twice: the task would go on for ever, and whoever ends it wait as long.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


async def _close(client: Client) -> None:
    """Send what waits to be sent, and close; with a server that takes nothing, give that up after a moment."""
    closing = asyncio.create_task(client.close(), name="nats-close")
    try:
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
    finally:
        if not closing.done():
            _abort(client)
        with contextlib.suppress(*_LOST, AssertionError):  # asserts, where it never came to connect
            await closing


def _abort(client: Client) -> None:
    # The library closes in an orderly way only, which waits for the server to read.
    writer = getattr(client._transport, "_io_writer", None)
    if writer is not None:
        writer.transport.abort()
