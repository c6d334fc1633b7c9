"""Credentials against a real nats-server: what each may do, and what it may not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from broker import node_rpc, subjects
from broker.connection import Connection, Message
from broker.credentials import Credentials, Trust, for_api_server, for_listener
from broker.errors import BusError, BusUnavailable, NodeUnreachable
from broker.stream import Stream, StreamSettings, serve_state, state, told_state
from broker.subscriber import Subscriber
from deploy.servers import nats_binary
from tests.conftest import eventually
from tests.servers import Process, free_port, wait_until

Open = AsyncExitStack


@dataclass
class Known:
    """A `Login` with the last of these credentials."""

    url: str
    held: list[Credentials]

    async def servers(self) -> list[str]:
        return [self.url]

    def credentials(self) -> Credentials | None:
        return self.held[-1] if self.held else None

    def tls(self) -> None:
        return None


@dataclass
class Bus:
    """A nats-server that knows only credentials of `trust`."""

    trust: Trust
    port: int

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def connection(self, credentials: Credentials | None) -> Connection:
        return Connection(Known(self.url, [credentials] if credentials else []), name="test")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    bus = Bus(Trust.new(), free_port())
    config = tmp_path / "nats.conf"
    config.write_text(
        f'host: "127.0.0.1"\nport: {bus.port}\njetstream {{ store_dir: "{tmp_path}" }}\n{bus.trust.server_config()}'
    )
    server = Process([str(nats_binary()), "--config", str(config)], tmp_path / "nats.log")
    server.spawn()
    wait_until(lambda: "Server is ready" in (tmp_path / "nats.log").read_text(), what="nats-server ready")
    yield bus
    server.kill()


@pytest_asyncio.fixture
async def control(bus: Bus) -> AsyncIterator[Connection]:
    """The API server's side, with ten changes in the stream."""
    async with bus.connection(for_api_server(bus.trust.control)).running() as connection:
        await Stream(connection, StreamSettings(live=True)).create(first=1)
        serving = asyncio.create_task(serve_state(connection))
        for number in range(1, 11):
            await connection.publish(subjects.subject_for("", "configmaps", "default", f"c{number}"), b"{}")
        await eventually(lambda: _has(connection, 10), what="ten changes in the stream")
        yield connection
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _has(connection: Connection, count: int) -> bool:
    return (await state(connection)).last == count


async def _read(connection: Connection, name: str, count: int, *, acknowledge: int = 0) -> list[int]:
    subscriber = Subscriber(connection, name=name, filters=[subjects.ALL])
    found: list[int] = []
    changes = subscriber.changes()
    async for change in changes:
        found.append(change.rv)
        if len(found) == count:
            break
    if acknowledge:
        await subscriber.acknowledge(acknowledge)
        await connection.flush()
    await changes.aclose()
    return found


def _listener(bus: Bus, consumer: str, **more: object) -> Connection:
    return bus.connection(
        for_listener(bus.trust.listeners, name=consumer, consumer=consumer, lifetime_seconds=60, **more)  # type: ignore[arg-type]
    )


async def test_a_listener_reads_its_own_consumer_and_resumes_behind_its_acknowledgement(
    bus: Bus, control: Connection
) -> None:
    await Subscriber(control, name="mine", filters=[subjects.ALL]).begin(0)
    async with _listener(bus, "mine").running() as listener:
        assert await _read(listener, "mine", 10, acknowledge=4) == list(range(1, 11))
    async with _listener(bus, "mine").running() as listener:
        assert await _read(listener, "mine", 6) == list(range(5, 11))


async def test_a_listener_can_neither_read_nor_acknowledge_nor_ask_for_anothers_consumer(
    bus: Bus, control: Connection
) -> None:
    for name in ("mine", "other"):
        await Subscriber(control, name=name, filters=[subjects.ALL]).begin(0)
    heard: list[Message] = []
    async with _listener(bus, "mine").running() as listener:
        inbox = listener.new_inbox()
        await listener.subscribe(inbox, heard.append)
        await listener.publish(f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM}.other", b'{"batch": 5}', reply=inbox)
        await listener.publish(f"$JS.ACK.{subjects.STREAM}.other.1.10.10.1.0", b"+ACK")
        await listener.flush()
        with pytest.raises(BusError):
            await listener.request(f"$JS.API.CONSUMER.RESET.{subjects.STREAM}.other", timeout_seconds=0.5)
    assert heard == []
    info = await control.api(f"CONSUMER.INFO.{subjects.STREAM}.other")
    assert info["ack_floor"]["stream_seq"] == 0
    assert info["delivered"]["stream_seq"] == 0


@pytest.mark.parametrize(
    "subject",
    [
        "changes.core.configmaps.default.forged",
        f"$JS.API.STREAM.DELETE.{subjects.STREAM}",
        f"$JS.API.STREAM.PURGE.{subjects.STREAM}",
        f"$JS.API.CONSUMER.CREATE.{subjects.STREAM}.mine",
        f"$JS.API.CONSUMER.DELETE.{subjects.STREAM}.mine",
        f"$JS.API.DIRECT.GET.{subjects.STREAM}",
    ],
)
async def test_a_listener_can_neither_write_changes_nor_manage_the_stream(
    bus: Bus, control: Connection, subject: str
) -> None:
    await Subscriber(control, name="mine", filters=[subjects.ALL]).begin(0)
    async with _listener(bus, "mine").running() as listener:
        await listener.publish(subject, b'{"seq": 1}', reply=f"{listener.new_inbox()}")
        await listener.flush()
    assert (await state(control)).last == 10
    assert (await control.api(f"CONSUMER.INFO.{subjects.STREAM}.mine"))["name"] == "mine"


async def test_no_reply_subject_makes_the_server_write_into_the_stream(bus: Bus, control: Connection) -> None:
    await Subscriber(control, name="mine", filters=[subjects.ALL]).begin(0)
    async with _listener(bus, "mine").running() as listener:
        await listener.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM}.mine",
            b'{"batch": 5}',
            reply="changes.core.configmaps.default.forged",
        )
        await listener.flush()
    assert (await state(control)).last == 10


async def test_a_listener_hears_only_its_own_inbox_and_the_live_subjects_it_was_given(
    bus: Bus, control: Connection
) -> None:
    only = subjects.filter_for(group="", resource="configmaps", namespace="default")
    heard: list[str] = []
    async with _listener(bus, "mine", live=[only]).running() as listener:
        for subject in (subjects.ALL, "_INBOX.>", subjects.live(subjects.ALL), subjects.live(only)):
            await listener.subscribe(subject, lambda m: heard.append(m.subject))
        await listener.flush()
        for namespace in ("default", "other"):
            await control.publish(subjects.subject_for("", "configmaps", namespace, "late"), b"{}")
        await eventually(lambda: bool(heard), what="a live change")
        await eventually(lambda: _has(control, 12), what="both stored")
        await listener.flush()
    assert heard == [subjects.live(subjects.subject_for("", "configmaps", "default", "late"))]


async def test_nobody_connects_without_credentials_or_with_those_of_another_control_plane(bus: Bus) -> None:
    stranger = for_listener(Trust.new().listeners, name="stranger", consumer="mine", lifetime_seconds=60)
    for credentials in (None, stranger):
        connection = bus.connection(credentials)
        running = asyncio.create_task(connection.run())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.wait_connected(), 0.7)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_expired_credentials_are_refused(bus: Bus, control: Connection) -> None:
    credentials = for_listener(bus.trust.listeners, name="late", consumer="mine", lifetime_seconds=1)
    await eventually(lambda: time.time() > credentials.expires_at, what="the credentials' end")
    connection = bus.connection(credentials)
    running = asyncio.create_task(connection.run())
    with pytest.raises((BusError, TimeoutError)):
        await asyncio.wait_for(_connected_and_told(connection), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _connected_and_told(connection: Connection) -> None:
    await connection.wait_connected()
    await told_state(connection)


async def test_renewed_credentials_are_used_at_the_next_connect(bus: Bus, control: Connection) -> None:
    await Subscriber(control, name="mine", filters=[subjects.ALL]).begin(0)
    held = [for_listener(bus.trust.listeners, name="mine", consumer="mine", lifetime_seconds=2)]
    connection = Connection(Known(bus.url, held), name="renewing")
    async with connection.running():
        assert await _read(connection, "mine", 3, acknowledge=3) == [1, 2, 3]
        from broker.nkeys import KeyPair

        user = KeyPair.from_seed(held[0].seed).public
        again = for_listener(bus.trust.listeners, name="mine", consumer="mine", lifetime_seconds=60, user=user)
        held.append(Credentials(again.jwt, held[0].seed))
        await eventually(lambda: time.time() > held[0].expires_at + 1, what="the first credentials' end")
        assert await _read(connection, "mine", 7) == list(range(4, 11))


async def test_a_kubelet_answers_requests_of_its_own_node_across_accounts(bus: Bus, control: Connection) -> None:
    async def logs(params: dict[str, object]):  # type: ignore[no-untyped-def]
        for number in range(40):
            yield f"{params['pod']}-{number}\n".encode() * 100

    node = bus.connection(for_listener(bus.trust.listeners, name="node-1", node="node-1", lifetime_seconds=60))
    async with node.running():
        serving = asyncio.create_task(node_rpc.Server(node, "node-1", {"logs": logs}).run())
        answer = b""
        while not answer:  # until the node has subscribed
            with contextlib.suppress(NodeUnreachable):
                answer = b"".join([c async for c in node_rpc.call(control, "node-1", "logs", {"pod": "w"}, timeout=5)])
        assert answer.count(b"\n") == 4000
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_node_that_nobody_serves_is_told_as_unreachable(bus: Bus, control: Connection) -> None:
    with pytest.raises((NodeUnreachable, BusUnavailable)):
        await anext(node_rpc.call(control, "nowhere", "logs", {}, timeout=1))
