"""The record in Redis (6.2 or newer, Valkey, or a managed Redis). The only module that imports the library `redis`.

`RedisStore` puts the parts together, each with a connection of its own, so that none waits behind another:

    commits       `apiserver.store.committer`     one round trip for all commits that arrived together
    reads         `apiserver.store.pipeline`      the same for GETs and short questions
    bulk          list and scan                   large answers, one at a time
    outbox        `apiserver.store.outbox`        may wait for an entry for as long as it likes
    upkeep        `apiserver.store.upkeep`        doctor, repair, backup, restore

Only connections of the library are used, not its clients: those retry by themselves, and so would run a commit twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from apiserver.store.base import (
    Commit,
    Key,
    OutboxFull,
    RecordBehindStream,
    RecordClosed,
    ResourceVersion,
    Stored,
    StoredResource,
    StoreUnavailable,
    TooLarge,
)
from apiserver.store.committer import Committer
from apiserver.store.footing import StreamView
from apiserver.store.keys import Keys, field_of, message_bytes, resource_of, stored_of
from apiserver.store.outbox import RedisOutbox
from apiserver.store.pipeline import Pipeline
from apiserver.store.upkeep import Upkeep
from apiserver.store.wire import Command, Refusal, Session, Wire, WireDown, WireLost
from broker.crashpoints import CrashPoints, from_environment

CONNECT_TIMEOUT_SECONDS = 2.0
"""Opening a connection, and the first answer on it. A Redis that is away is told to clients as 503, soon."""

BULK_TIMEOUT_SECONDS = 60.0
"""For a whole resource in one answer: some hundred MB on a slow network."""

SCAN_BATCH = 500

_TLS_FILES = {"ca": "ssl_ca_certs", "cert": "ssl_certfile", "key": "ssl_keyfile"}
"""How a `rediss://` URL names the CA to trust, and a certificate of our own: `?ca=/path`."""


class RedisWire:
    """A `Wire` over one connection of redis-py, with hiredis packing and parsing. See there for the promises."""

    def __init__(self, url: str, *, name: str) -> None:
        options = options_of(url)
        kind: type[AbstractConnection] = options.pop("connection_class", Connection)
        options.update(
            socket_timeout=None,  # deadlines are per round trip, in `exchange`
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            protocol=2,
            client_name=f"backbeat-{name}",
            driver_info=None,
        )
        self._connection = kind(**options)
        self._session: Session | None = None
        self._opened = 0

    @property
    def opened(self) -> int:
        return self._opened

    @property
    def session(self) -> Session | None:
        return self._session

    async def connect(self) -> None:
        if self._connection.is_connected and not self._ended():
            return
        await self._drop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await self._connection.connect()  # type: ignore[no-untyped-call]
                self._session = await self._introduce()
                self._opened += 1
        except (RedisError, OSError, TimeoutError) as err:
            await self._drop()
            raise WireDown(f"Redis can't be reached: {err or 'no answer in time'}") from err
        except BaseException:
            await self._drop()
            raise

    def _ended(self) -> bool:
        """The server closed while nobody asked it anything: told now, nothing is sent that would get no answer.
        (The library has no way to ask that does not read.)"""
        reader = self._connection._reader
        return reader is not None and reader.at_eof()

    async def _introduce(self) -> Session | None:
        """Ask who the server is, and whether it serves: unlike the others, PING is refused while data is loaded.
        A server that may not be asked (a managed one) gives no session."""
        client_id, info, ping = await self._round_trip([(b"CLIENT", b"ID"), (b"INFO", b"server"), (b"PING",)])
        if isinstance(ping, Refusal):
            raise WireDown(f"Redis does not serve yet: {ping.message}")
        if not isinstance(client_id, int) or not isinstance(info, bytes):
            return None
        run_ids = [line[7:].decode() for line in info.splitlines() if line.startswith(b"run_id:")]
        return Session(run_ids[0], client_id) if run_ids else None

    async def exchange(self, commands: Sequence[Command], *, timeout_seconds: float) -> list[Any]:
        await self.connect()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._round_trip(commands)
        except TimeoutError as err:
            await self._drop()
            raise WireLost(f"Redis did not answer in {timeout_seconds} s") from err
        except BusyLoadingError as err:
            await self._drop()
            raise WireLost(f"Redis is loading its data: {err}") from err
        except (RedisError, OSError) as err:
            await self._drop()
            raise WireLost(f"the connection to Redis was lost: {err}") from err
        except BaseException:
            await self._drop()  # an answer is still to come on it: nobody may read that as their own
            raise

    async def _round_trip(self, commands: Sequence[Command]) -> list[Any]:
        # The stub says a tuple of exactly one.
        packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]
        await self._connection.send_packed_command([b"".join(packed)], check_health=False)
        return [await self._answer() for _ in packed]

    async def _answer(self) -> Any:
        try:
            answer = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
        except ResponseError as err:
            return _refusal(err)
        if isinstance(answer, list) and any(isinstance(part, ResponseError) for part in answer):
            return [_refusal(part) if isinstance(part, ResponseError) else part for part in answer]
        return answer

    async def _drop(self) -> None:
        await self._connection.disconnect(nowait=True)

    async def close(self) -> None:
        await self._connection.disconnect()


def options_of(url: str) -> dict[str, Any]:
    """What the library makes of a URL, in whose query files are named as in that of NATS."""
    options: dict[str, Any] = dict(parse_url(url))
    for ours, theirs in _TLS_FILES.items():
        if ours in options:
            options[theirs] = options.pop(ours)
    return options


def _refusal(err: ResponseError) -> Refusal:
    message = str(err)
    return Refusal(err.status_code or message.split(" ", 1)[0], message)


class RedisStore:
    """`Store` in Redis; see `apiserver.store.base` for what it promises.

    `url` is `unix:///path`, `redis://` or `rediss://host:port?ca=/path`, with user and password where needed.
    `outbox_limit_entries` bounds the changes that wait for the bus. `stream`: compare each life of Redis with it before
    the first commit; None leaves that to the relay. `crash_points` defaults to what the environment arms.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: str = "backbeat",
        outbox_limit_entries: int = 1_000_000,
        stream: StreamView | None = None,
        crash_points: CrashPoints | None = None,
    ) -> None:
        self._keys = Keys(cluster)
        self._limit = outbox_limit_entries
        self._stream = stream
        self._commit_wire: Wire = RedisWire(url, name="commits")
        self._read_wire: Wire = RedisWire(url, name="reads")
        self._bulk_wire: Wire = RedisWire(url, name="bulk")
        self._outbox_wire: Wire = RedisWire(url, name="outbox")
        self._bulk_turn = asyncio.Lock()
        self._reads = Pipeline(self._read_wire)
        self._committer = Committer(
            self._commit_wire,
            keys=self._keys,
            outbox_limit_entries=outbox_limit_entries,
            crash_points=crash_points or from_environment(),
            stream=stream,
        )
        self._outbox = RedisOutbox(self._reads, self._outbox_wire, keys=self._keys)
        self._upkeep_wire: Wire = RedisWire(url, name="upkeep")
        self._upkeep_questions = Pipeline(self._upkeep_wire)
        self.upkeep = Upkeep(self._upkeep_questions, keys=self._keys)
        """For whoever looks after the record itself."""

    @property
    def outbox(self) -> RedisOutbox:
        return self._outbox

    async def get(self, key: Key) -> Stored | None:
        value = await self._reads.ask("HGET", self._keys.objects(key.resource), field_of(key))
        return None if value is None else stored_of(value)

    async def list(self, resource: StoredResource) -> tuple[ResourceVersion, Sequence[tuple[str, Stored]]]:
        answers = await self._bulk(
            [("MULTI",), ("GET", self._keys.rv), ("HGETALL", self._keys.objects(resource)), ("EXEC",)]
        )
        rv, flat = answers[-1]
        return ResourceVersion(int(rv or 0)), _pairs(flat)

    async def scan(self, resource: StoredResource) -> AsyncIterator[Sequence[tuple[str, Stored]]]:
        cursor = b"0"
        while True:
            command = ("HSCAN", self._keys.objects(resource), cursor, "COUNT", SCAN_BATCH)
            [[cursor, flat]] = await self._bulk([command])
            if flat:
                yield _pairs(flat)
            if cursor == b"0":
                return

    async def resources(self) -> Sequence[StoredResource]:
        names = await self._reads.ask("SMEMBERS", self._keys.resources)
        return [resource_of(name.decode()) for name in sorted(names)]

    async def current_rv(self) -> ResourceVersion:
        return ResourceVersion(int(await self._reads.ask("GET", self._keys.rv) or 0))

    async def check(self) -> None:
        numbers, waiting = await asyncio.gather(
            self._reads.ask("MGET", self._keys.rv, self._keys.stream, self._keys.closed),
            self._reads.ask("XLEN", self._keys.outbox),
        )
        if numbers[2] is not None:
            raise RecordClosed(numbers[2].decode())
        record, stream = (int(number or 0) for number in numbers[:2])
        if stream > record:
            raise RecordBehindStream(stream, record)
        if waiting >= self._limit:
            raise OutboxFull

    async def commit(self, commit: Commit) -> ResourceVersion:
        limit = self._stream.max_message_bytes() if self._stream is not None else 0
        if limit and (size := message_bytes(commit)) > limit:
            raise TooLarge(size, limit)
        return await self._committer.commit(commit)

    async def close(self) -> None:
        """Commits that are under way are answered first."""
        await self._committer.close()
        await self._reads.close()
        await self._upkeep_questions.close()
        for wire in (self._commit_wire, self._read_wire, self._bulk_wire, self._outbox_wire, self._upkeep_wire):
            await wire.close()

    async def _bulk(self, commands: Sequence[Command]) -> Sequence[Any]:
        async with self._bulk_turn:
            try:
                answers = await self._bulk_wire.exchange(commands, timeout_seconds=BULK_TIMEOUT_SECONDS)
            except (WireDown, WireLost) as err:
                raise StoreUnavailable(str(err)) from err
        for answer in answers:
            if isinstance(answer, Refusal):
                raise StoreUnavailable(f"Redis refused: {answer.message}")
        return answers


def _pairs(flat: Sequence[bytes]) -> Sequence[tuple[str, Stored]]:
    return [(flat[i].decode(), stored_of(flat[i + 1])) for i in range(0, len(flat), 2)]
