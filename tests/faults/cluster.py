"""A Redis, a NATS and API servers that a test may rob, kill and stop; and a look into them that uses none of our code.

Redis is read by the names of its keys, as docs/architecture.md lists them; the stream by JetStream's direct get.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import nats.errors
import redis
from nats.aio.client import Client
from nats.aio.msg import Msg

from broker.login import UrlLogin
from deploy.servers import MAX_PAYLOAD
from tests.apiserver import ApiServer
from tests.conftest import eventually
from tests.faults.http1 import HttpConnection, Place
from tests.servers import Nats, Redis

STREAM = "CHANGES"
BATCH = 500
SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream, or one entry of the outbox."""

    number: int
    subject: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What Redis holds: the last number, each object's number and JSON by resource and key, the outbox."""

    rv: int
    objects: Mapping[tuple[str, str], tuple[int, bytes]]
    outbox: Sequence[Message]


class LimitedNats(Nats):
    """A nats-server with a `max_payload` of its own."""

    def __init__(self, directory: Path, *, max_payload: int) -> None:
        super().__init__(directory)
        self._max_payload = max_payload

    def spawn(self) -> None:
        config = self.server.config_path
        config.write_text(
            config.read_text().replace(f"max_payload: {MAX_PAYLOAD}", f"max_payload: {self._max_payload}")
        )
        super().spawn()


class Cluster:
    """Started by `start`; `close` ends everything. Also a context manager that only closes."""

    def __init__(
        self,
        directory: Path,
        *,
        servers: int = 1,
        settings: Mapping[str, str] | None = None,
        max_payload: int = MAX_PAYLOAD,
    ) -> None:
        self.directory = directory
        self._copies = itertools.count()
        self.redis = Redis(directory / "redis")
        self.nats = LimitedNats(directory / "nats", max_payload=max_payload)
        self.servers = [
            ApiServer(
                directory / "api",
                redis_url=self.redis.url,
                nats_url=self.nats.url,
                name=f"apiserver-{n}",
                settings=settings,
            )
            for n in range(servers)
        ]

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        self.redis.start()
        self.nats.start()
        for server in self.servers:
            server.start(wait=False)
        with ThreadPoolExecutor() as pool:
            list(pool.map(ApiServer.wait_ready, self.servers))

    def close(self) -> None:
        for process in (*self.servers, self.nats, self.redis):
            process.close()

    @property
    def server(self) -> ApiServer:
        """The first, or only, API server."""
        return self.servers[0]

    def place(self, server: ApiServer | None = None) -> Place:
        chosen = server or self.server
        return Place("127.0.0.1", chosen.port, chosen.token, chosen.ssl_context())

    @property
    def places(self) -> list[Place]:
        return [self.place(server) for server in self.servers]

    def client(self, server: ApiServer | None = None) -> HttpConnection:
        return HttpConnection(self.place(server))

    def copy_of(self, part: Redis | Nats) -> Path:
        """A copy of what a server has on disk; call while it is stopped, or bear what a crash would leave."""
        source = _data_of(part)
        target = self.directory / f"copy-{next(self._copies)}-of-{source.name}"
        shutil.copytree(source, target)
        return target

    def lose(self, part: Redis | Nats) -> None:
        """Call while it is stopped: its disk is empty."""
        shutil.rmtree(_data_of(part))
        _data_of(part).mkdir()

    def put_back(self, part: Redis | Nats, copy: Path) -> None:
        """Call while it is stopped: its disk is as it was when the copy was made."""
        shutil.rmtree(_data_of(part))
        shutil.copytree(copy, _data_of(part))

    def record(self) -> Record:
        """Raises redis.exceptions.ConnectionError."""
        with redis.Redis.from_url(self.redis.admin_url) as client:
            names = sorted(client.scan_iter("{backbeat}:objects:*", count=1000))
            with client.pipeline(transaction=True) as pipe:  # one step: objects and outbox belong together
                pipe.get("{backbeat}:rv")
                pipe.xrange("{backbeat}:outbox")
                for name in names:
                    pipe.hgetall(name)
                rv, entries, *hashes = pipe.execute()
        objects = {
            (name.decode().partition(":objects:")[2], field.decode()): _stored(value)
            for name, pairs in zip(names, hashes, strict=True)
            for field, value in pairs.items()
        }
        return Record(int(rv or 0), objects, [_entry(identifier, fields) for identifier, fields in entries])

    def drop_lease(self) -> None:
        """No relay has it any more; each may think that it does."""
        with redis.Redis.from_url(self.redis.admin_url) as client:
            client.delete("{backbeat}:relay")

    async def stream_ends(self) -> tuple[int, int]:
        """First and last sequence. Raises nats.errors.Error, OSError."""
        client = await self._nats_client()
        try:
            return await _ends(client)
        finally:
            await client.close()

    async def _nats_client(self) -> Client:
        login = UrlLogin(self.nats.url)
        credentials = login.credentials()
        assert credentials is not None
        return await nats.connect(
            list(await login.servers()),
            allow_reconnect=False,
            connect_timeout=5,
            error_cb=_ignore,
            user_jwt_cb=credentials.jwt.encode,
            signature_cb=credentials.sign,
            inbox_prefix=credentials.inbox_prefix,
        )

    async def messages(self, *, after: int = 0) -> list[Message]:
        """The stream behind a number, as it stands in it. Raises nats.errors.Error, OSError."""
        client = await self._nats_client()
        try:
            first, last = await _ends(client)
            found: list[Message] = []
            while (following := found[-1].number + 1 if found else max(first, after + 1)) <= last:
                found += await _batch(client, following)
            return found
        finally:
            await client.close()

    async def lags(self) -> dict[str, int]:
        """How many changes wait for each durable consumer. Raises nats.errors.Error, OSError."""
        client = await self._nats_client()
        try:
            raw = (await client.request(f"$JS.API.CONSUMER.LIST.{STREAM}", b"", timeout=5)).data
            found = json.loads(raw)["consumers"]
        finally:
            await client.close()
        return {
            one["name"]: one["num_pending"] + one["num_ack_pending"]
            for one in found
            if one["config"].get("durable_name")
        }

    async def settled(self, *, timeout_seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the stream ends where the record does."""

        async def even() -> bool:
            try:
                rv, (_, last) = self.record().rv, await self.stream_ends()
            except (TimeoutError, nats.errors.Error, OSError, redis.exceptions.RedisError):
                return False
            return rv == last

        await eventually(even, timeout_seconds=timeout_seconds, what="the stream at the record's number")


async def _ignore(_: Exception) -> None:
    """Errors of this connection are raised where it is used."""


def _data_of(part: Redis | Nats) -> Path:
    return part.server.directory


def _stored(value: bytes) -> tuple[int, bytes]:
    rv, _, raw = value.partition(b" ")
    return int(rv), raw


def _entry(identifier: bytes, fields: Mapping[bytes, bytes]) -> Message:
    number, _, part = identifier.partition(b"-")
    assert part == b"0"
    return Message(int(number), fields[b"s"].decode(), fields[b"b"])


async def _ends(client: Client) -> tuple[int, int]:
    answer = json.loads((await client.request(f"$JS.API.STREAM.INFO.{STREAM}", b"", timeout=5)).data)
    if "error" in answer:
        raise nats.errors.Error(str(answer["error"]))
    return answer["state"]["first_seq"], answer["state"]["last_seq"]


async def _batch(client: Client, following: int) -> list[Message]:
    """Up to BATCH messages from a number on, by one direct get."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    request: dict[str, Any] = {"seq": following, "batch": BATCH}
    await client.publish(f"$JS.API.DIRECT.GET.{STREAM}", json.dumps(request).encode(), reply=inbox)
    found: list[Message] = []
    while True:
        message: Msg = await subscription.next_msg(timeout=10)
        headers = message.headers or {}
        if "Nats-Sequence" not in headers:
            break
        found.append(Message(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data))
    await subscription.unsubscribe()
    assert found, f"message {following} is not in the stream: {headers}"
    return found
