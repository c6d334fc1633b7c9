"""Relay, tail, subscriber and node requests against a real nats-server that is killed, restarted and robbed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from broker import node_rpc, subjects
from broker.connection import Connection
from broker.errors import BusError, HistoryReplaced, NodeUnreachable, StreamExpired
from broker.outbox import OutboxEntry
from broker.relay import Relay, RelaySettings
from broker.stream import StreamSettings, StreamState, state
from broker.subscriber import CursorLost, Subscriber
from broker.tail import tail
from tests.conftest import eventually
from tests.servers import Nats


class ListOutbox:
    """An outbox in memory with the store's contract: consecutive numbers, a lease, trimming."""

    def __init__(self) -> None:
        self.entries: list[OutboxEntry] = []
        self.last = 0
        self.holder = ""
        self.reported = 0
        self.named = ""

    def commit(self, count: int = 1, *, subject: str = "changes.core.configmaps.default.a") -> None:
        for _ in range(count):
            self.last += 1
            body = b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"%d"}}}' % self.last
            self.entries.append(OutboxEntry(self.last, subject, body, {"Backbeat-Actor": "test"}))

    async def last_rv(self) -> int:
        return self.last

    async def history(self) -> str:
        return self.named

    async def first_rv(self) -> int:
        return self.entries[0].rv if self.entries else 0

    async def read(self, after: int, *, limit: int) -> Sequence[OutboxEntry]:
        return [e for e in self.entries if e.rv > after][:limit]

    async def wait(self, after: int, *, timeout_seconds: float) -> Sequence[OutboxEntry]:
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: self.last > after, timeout_seconds=timeout_seconds)
        return await self.read(after, limit=512)

    async def trim(self, up_to: int) -> None:
        self.entries = [e for e in self.entries if e.rv > up_to]

    async def acquire_lease(self, holder: str, *, ttl_seconds: float) -> bool:
        self.holder = self.holder or holder
        return self.holder == holder

    async def release_lease(self, holder: str) -> None:
        self.holder = ""

    async def report_stream(self, last_sequence: int) -> None:
        self.reported = last_sequence


@contextlib.asynccontextmanager
async def connected(server: Nats, name: str = "test") -> AsyncIterator[Connection]:
    async with Connection(server.url, name=name).running() as connection:
        yield connection


@contextlib.asynccontextmanager
async def relaying(
    connection: Connection, outbox: Any, *, margin: int = 10_000, holder: str = "r"
) -> AsyncIterator[Relay]:
    settings = RelaySettings(margin=margin, ack_timeout_seconds=1.0, check_seconds=0.2, wait_seconds=0.1)
    relay = Relay(connection, outbox, StreamSettings(), holder=holder, settings=settings)
    task = asyncio.create_task(relay.run(), name="relay")
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def published(connection: Connection, rv: int) -> None:
    async def there() -> bool:
        try:
            return (await state(connection)).last == rv
        except BusError:
            return False

    await eventually(there, what=f"stream at {rv}", timeout_seconds=30)


async def numbers(connection: Connection, *, after: int, up_to: int) -> list[int]:
    """What a tail sees, checking that each body carries its own number."""
    seen: list[int] = []
    async with contextlib.aclosing(tail(connection, after=after)) as batches:
        async for batch in batches:
            for change in batch:
                assert change.object()["metadata"]["resourceVersion"] == str(change.rv)
                seen.append(change.rv)
            if seen[-1] >= up_to:
                return seen
    return seen


async def test_every_message_has_the_number_of_its_commit(nats_server: Nats) -> None:
    outbox = ListOutbox()
    outbox.commit(2000)
    async with connected(nats_server) as connection, relaying(connection, outbox):
        await published(connection, 2000)
        assert await numbers(connection, after=0, up_to=2000) == list(range(1, 2001))


async def test_two_relays_at_once_leave_no_gap_and_no_copy(nats_server: Nats) -> None:
    outbox = ListOutbox()

    class Careless(ListOutbox):
        async def acquire_lease(self, holder: str, *, ttl_seconds: float) -> bool:
            return True

    outbox = Careless()
    async with (
        connected(nats_server) as one,
        connected(nats_server) as two,
        relaying(one, outbox, holder="a"),
        relaying(two, outbox, holder="b"),
    ):
        for _ in range(20):
            outbox.commit(100)
            await asyncio.sleep(0)
        await published(one, 2000)
        assert await numbers(one, after=0, up_to=2000) == list(range(1, 2001))


async def test_what_is_committed_while_the_stream_is_made_is_in_it(nats_server: Nats) -> None:
    """A new control plane writes at once. The relay looks at the outbox twice, and a commit may come in between."""

    class Busy(ListOutbox):
        async def first_rv(self) -> int:
            return self._and_then_a_commit(await super().first_rv())

        async def last_rv(self) -> int:
            return self._and_then_a_commit(await super().last_rv())

        def _and_then_a_commit(self, answer: int) -> int:
            if self.last < 3:
                self.commit()
            return answer

    outbox = Busy()
    async with connected(nats_server) as connection, relaying(connection, outbox):
        await published(connection, 3)
        assert await numbers(connection, after=0, up_to=3) == [1, 2, 3]


async def test_a_restart_of_the_server_loses_nothing(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox):
        outbox.commit(500)
        await published(connection, 500)
        reading = asyncio.create_task(numbers(connection, after=0, up_to=1500))
        nats_server.kill()
        outbox.commit(1000)
        nats_server.start()
        assert await asyncio.wait_for(reading, 30) == list(range(1, 1501))


@pytest.mark.parametrize("margin", [10_000, 100])
async def test_a_lost_disk_is_refilled_from_the_outbox(nats_server: Nats, margin: int) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox, margin=margin):
        outbox.commit(2000)
        await published(connection, 2000)
        nats_server.kill()
        nats_server.lose_data()
        nats_server.start()
        outbox.commit(10)
        await published(connection, 2010)
        first = (await state(connection)).first
        assert first == max(1, 2000 - margin + 1)
        assert await numbers(connection, after=first - 1, up_to=2010) == list(range(first, 2011))


async def test_a_record_that_goes_on_elsewhere_begins_the_stream_anew(nats_server: Nats) -> None:
    """Also when nothing is committed then; and the stream tells which history its numbers are of."""
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox):
        outbox.commit(10)
        await published(connection, 10)
        assert (await state(connection)).history == ""
        outbox.named, outbox.entries, outbox.last = "another", [], 500
        await published(connection, 500)
        assert await state(connection) == StreamState(501, 500, "another")
        outbox.commit(3)
        await published(connection, 503)
        nats_server.kill()
        nats_server.lose_data()
        nats_server.start()
        await published(connection, 503)
        assert await state(connection) == StreamState(501, 503, "another")


async def test_whoever_has_read_another_history_is_told_and_whoever_begins_is_not(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox):
        outbox.commit(10)
        await published(connection, 10)
        async with connected(nats_server) as reader, connected(nats_server) as newcomer:
            subscriber = Subscriber(reader, name="agent", filters=["changes.>"])
            await subscriber.begin(0)
            async with contextlib.aclosing(subscriber.changes()) as changes:
                assert (await anext(changes)).rv == 1
                outbox.named, outbox.entries, outbox.last = "another", [], 500
                with pytest.raises(HistoryReplaced):
                    async for _ in changes:
                        pass
            with pytest.raises(HistoryReplaced):
                await Subscriber(reader, name="agent", filters=["changes.>"]).ensure()
            assert (await Subscriber(newcomer, name="agent", filters=["changes.>"]).ensure()).created


async def test_what_the_outbox_lacks_in_its_middle_is_given_up(nats_server: Nats) -> None:
    outbox = ListOutbox()
    outbox.commit(100)
    async with connected(nats_server) as connection:
        async with relaying(connection, outbox):
            await published(connection, 100)
        outbox.commit(100)
        outbox.entries = [entry for entry in outbox.entries if not 120 <= entry.rv < 140]
        async with relaying(connection, outbox):
            await published(connection, 200)
        assert (await state(connection)).first == 140
        assert await numbers(connection, after=139, up_to=200) == list(range(140, 201))


async def test_a_stream_ahead_of_the_record_is_reported_and_left_alone(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection:
        async with relaying(connection, outbox):
            outbox.commit(50)
            await published(connection, 50)
        restored = ListOutbox()
        restored.commit(20)
        async with relaying(connection, restored) as relay:
            await eventually(lambda: restored.reported == 50)
            assert relay.state == "record behind stream"
            assert (await state(connection)).last == 50


async def test_a_start_behind_retention_is_told_and_not_moved(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection:
        outbox.commit(30)
        outbox.entries = outbox.entries[20:]
        async with relaying(connection, outbox):
            await published(connection, 30)
            with pytest.raises(StreamExpired) as expired:
                await numbers(connection, after=5, up_to=30)
            assert expired.value.first == 21


async def take(subscriber: Subscriber, count: int) -> list[int]:
    seen: list[int] = []
    async with contextlib.aclosing(subscriber.changes()) as changes:
        async for change in changes:
            seen.append(change.rv)
            if len(seen) == count:
                break
    return seen


async def test_what_a_stopped_reader_was_given_comes_to_its_successor(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox):
        outbox.commit(1)
        await published(connection, 1)
        subscriber = Subscriber(connection, name="worker", filters=[subjects.ALL])
        await subscriber.begin(0)
        swallowed: list[bytes] = []
        inbox = connection.new_inbox()
        reader = await connection.subscribe(inbox, lambda message: swallowed.append(message.data))
        request = b'{"batch": 20, "expires": 3000000000}'
        await connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM}.worker", request, reply=inbox)
        await eventually(lambda: bool(swallowed), what="the stopped reader has the first")
        taking = asyncio.create_task(take(subscriber, 20))
        outbox.commit(20)
        assert set(await asyncio.wait_for(taking, 30)) == set(range(1, 21))
        await reader.unsubscribe()


async def test_a_subscriber_comes_back_to_what_it_had_not_finished(nats_server: Nats) -> None:
    outbox = ListOutbox()
    outbox.commit(100)
    async with connected(nats_server) as connection, relaying(connection, outbox):
        await published(connection, 100)
        first = Subscriber(connection, name="audit", filters=[subjects.ALL])
        assert (await first.ensure()).created
        await first.begin(0)
        async with contextlib.aclosing(first.changes()) as changes:
            async for change in changes:
                if change.rv == 60:
                    await first.acknowledge(40)
                    break
        await connection.flush()
        second = Subscriber(connection, name="audit", filters=[subjects.ALL])

        async def at_40() -> bool:
            return (await second.ensure()).cursor == 40

        await eventually(at_40)
        found = await second.ensure()
        assert (found.cursor, found.created, found.lost) == (40, False, False)
        assert await take(second, 60) == list(range(41, 101))


async def test_a_subscriber_goes_on_over_a_restart_of_the_server(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox):
        outbox.commit(10)
        await published(connection, 10)
        subscriber = Subscriber(connection, name="agent", filters=[subjects.ALL])
        await subscriber.begin(0)
        reading = asyncio.create_task(take(subscriber, 20))
        await asyncio.sleep(0)
        nats_server.kill()
        outbox.commit(10)
        nats_server.start()
        seen = await asyncio.wait_for(reading, 30)
        assert set(seen) | {20} >= set(range(1, 11))


async def test_a_cursor_that_retention_passed_is_told(nats_server: Nats) -> None:
    outbox = ListOutbox()
    async with connected(nats_server) as connection, relaying(connection, outbox, margin=10):
        outbox.commit(100)
        await published(connection, 100)
        subscriber = Subscriber(connection, name="late", filters=[subjects.ALL])
        await subscriber.begin(0)
        await eventually(lambda: outbox.entries[0].rv > 50)
        nats_server.kill()
        nats_server.lose_data()
        nats_server.start()
        await published(connection, 100)
        with pytest.raises(CursorLost):
            await take(subscriber, 1)


async def test_a_filter_selects_on_the_server(nats_server: Nats) -> None:
    outbox = ListOutbox()
    for n in range(30):
        outbox.commit(subject=subjects.subject_for("", "pods", "default", "p", node=f"node-{n % 3}"))
    async with connected(nats_server) as connection, relaying(connection, outbox):
        await published(connection, 30)
        mine = subjects.filter_for(group="", resource="pods", node="node-1")
        subscriber = Subscriber(connection, name="kubelet", filters=[mine])
        await subscriber.begin(0)
        assert await take(subscriber, 10) == list(range(2, 31, 3))


@contextlib.asynccontextmanager
async def serving(connection: Connection, handlers: dict[str, node_rpc.Handler]) -> AsyncIterator[None]:
    task = asyncio.create_task(node_rpc.Server(connection, "node-1", handlers).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(connection: Connection, method: str, params: dict[str, Any]) -> bytes:
    async def once() -> bytes | None:
        try:
            return b"".join([c async for c in node_rpc.call(connection, "node-1", method, params)])
        except NodeUnreachable:
            return None

    answers: list[bytes] = []

    async def answered() -> bool:
        found = await once()
        if found is not None:
            answers.append(found)
        return found is not None

    await eventually(answered)
    return answers[0]


async def test_a_node_answers_in_chunks_larger_than_any_message(nats_server: Nats) -> None:
    async def big(params: dict[str, Any]) -> AsyncIterator[bytes]:
        for n in range(80):
            yield bytes([n]) * 65_536

    async with connected(nats_server) as caller, connected(nats_server) as node, serving(node, {"logs": big}):  # type: ignore[dict-item]
        answer = await ask(caller, "logs", {})
        assert answer == b"".join(bytes([n]) * 65_536 for n in range(80))


async def test_a_node_that_nobody_serves_is_told_at_once(nats_server: Nats) -> None:
    async with connected(nats_server) as caller:
        with pytest.raises(NodeUnreachable):
            await anext(node_rpc.call(caller, "node-9", "logs", {}))


async def test_a_refusal_of_the_node_reaches_the_caller(nats_server: Nats) -> None:
    async def refuse(params: dict[str, Any]) -> AsyncIterator[bytes]:
        raise node_rpc.NodeError(404, "NotFound", f"no container {params['container']}")
        yield b""

    async with connected(nats_server) as caller, connected(nats_server) as node, serving(node, {"logs": refuse}):  # type: ignore[dict-item]
        with pytest.raises(node_rpc.NodeError, match="no container web"):
            await ask(caller, "logs", {"container": "web"})


async def test_a_caller_that_leaves_ends_the_work_on_the_node(nats_server: Nats) -> None:
    ended = asyncio.Event()

    async def endless(params: dict[str, Any]) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"line\n"
        finally:
            ended.set()

    async with connected(nats_server) as caller, connected(nats_server) as node, serving(node, {"logs": endless}):  # type: ignore[dict-item]

        async def begun() -> bool:
            answer = node_rpc.call(caller, "node-1", "logs", {})
            try:
                return await anext(answer) == b"line\n"
            except NodeUnreachable:
                return False
            finally:
                await answer.aclose()  # type: ignore[attr-defined]

        await eventually(begun)
        await asyncio.wait_for(ended.wait(), 5)
