"""Credentials from the API server, on the bus: good for one consumer, for a while, and renewable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from broker import node_rpc, subjects
from broker.connection import Connection, Message
from broker.credentials import Credentials
from broker.errors import BusError
from broker.nkeys import KeyPair, claims_of
from broker.subscriber import Subscriber
from deploy.identities import Identity
from tests.conftest import eventually
from tests.integration.rest.client import Client
from tests.integration.rest.server import NODE
from tests.integration.subscriptions.bus import (
    CONFIG_MAPS,
    SUBSCRIPTIONS,
    Bus,
    Holder,
    ask,
    granted,
    listener,
    rvs,
    subscribe,
    subscription,
    take,
    write,
)

Clients = Callable[[Identity], Client]


async def test_they_read_and_acknowledge_the_one_subscription(api: Client, ns: str) -> None:
    subscribe(api, f"mine-{ns}", CONFIG_MAPS, namespace=ns)
    told = granted(api, f"mine-{ns}")
    written = write(api, ns, 4)
    async with listener(told) as connection:
        assert rvs(await take(connection, told["consumer"], 4, acknowledge=written[1])) == written
    async with listener(told) as connection:
        assert rvs(await take(connection, told["consumer"], 2)) == written[2:]


async def test_they_are_of_no_use_for_anothers(bus: Bus, api: Client, ns: str) -> None:
    for name in ("mine", "other"):
        subscribe(api, f"{name}-{ns}", CONFIG_MAPS, namespace=ns)
    write(api, ns, 2)
    told = granted(api, f"mine-{ns}")
    heard: list[Message] = []
    async with listener(told) as connection:
        inbox = connection.new_inbox()
        await connection.subscribe(inbox, heard.append)
        for subject in (
            f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM}.other-{ns}",
            f"$JS.API.CONSUMER.RESET.{subjects.STREAM}.other-{ns}",
            f"$JS.API.CONSUMER.DELETE.{subjects.STREAM}.other-{ns}",
            f"$JS.API.STREAM.INFO.{subjects.STREAM}",
        ):
            await connection.publish(subject, b'{"batch": 1}', reply=inbox)
        await connection.subscribe("_INBOX.>", heard.append)
        await connection.flush()
    assert heard == []
    async with bus.owner() as owner:
        info = await owner.api(f"CONSUMER.INFO.{subjects.STREAM}.other-{ns}")
        assert info["delivered"]["consumer_seq"] == 0


async def test_they_hear_live_what_is_selected_and_nothing_else(api: Client, ns: str) -> None:
    subscribe(api, f"live-{ns}", CONFIG_MAPS, namespace=ns)
    told = granted(api, f"live-{ns}")
    heard: list[str] = []
    async with listener(told) as connection:
        for subject in (*(subjects.live(one) for one in told["filters"]), subjects.live(subjects.ALL)):
            await connection.subscribe(subject, lambda message: heard.append(message.subject))
        await connection.flush()
        write(api, "default", 1, prefix=f"not-{ns}")
        write(api, ns, 1)
        await eventually(lambda: bool(heard), what="a live change")
    assert heard == [f"live.changes.core.configmaps.{ns}.c0"]


def test_what_is_answered_is_all_that_a_client_needs(bus: Bus, api: Client, ns: str) -> None:
    selector = {"matchLabels": {"app": "web"}}
    subscribe(api, f"whole.{ns}", CONFIG_MAPS, start={"from": "Everything"}, labelSelector=selector)
    answer = ask(api, f"whole.{ns}", expirationSeconds=120)
    assert (answer.status, answer.json["kind"]) == (201, "SubscriptionCredentials")
    assert answer.json["metadata"]["name"] == f"whole.{ns}"
    told = answer.json["status"]
    credentials = Credentials.parse(told.pop("credentials"))
    assert told == {
        "servers": [bus.nats.address],
        "jwt": credentials.jwt,
        "inboxPrefix": credentials.inbox_prefix,
        "stream": "CHANGES",
        "consumer": f"whole%2E{ns}",
        "filters": ["changes.core.configmaps.>"],
        "labelSelector": selector,
        "startFrom": "Everything",
        "expirationTimestamp": datetime.fromtimestamp(credentials.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert credentials.expires_at == pytest.approx(time.time() + 120, abs=30)


def test_an_hour_is_what_who_does_not_ask_gets(api: Client, ns: str) -> None:
    subscribe(api, f"hour-{ns}")
    told = granted(api, f"hour-{ns}")
    assert claims_of(told["jwt"])["exp"] == pytest.approx(time.time() + 3600, abs=60)
    assert told["startFrom"] == "Now"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"expirationSeconds": 59},
            "spec.expirationSeconds: Invalid value: 59: may not be less than 60 or greater than 604800 seconds",
        ),
        ({"publicKey": "ü"}, 'spec.publicKey: Invalid value: "ü": must be the public key of a NATS user: not base32'),
        (
            {"publicKey": KeyPair("account", bytes(32)).public},
            "must be the public key of a NATS user: not the public key of a NATS user",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(api: Client, ns: str, spec: dict[str, object], told: str) -> None:
    subscribe(api, f"asked-{ns}")
    answer = ask(api, f"asked-{ns}", **spec)
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")
    assert told in answer.message


def test_there_are_none_for_what_is_not_there(api: Client) -> None:
    answer = ask(api, "nothing")
    assert (answer.status, answer.message) == (404, 'subscriptions.broker.backbeat.dev "nothing" not found')


async def test_they_are_renewed_for_a_key_that_never_leaves_its_owner(api: Client, ns: str) -> None:
    subscribe(api, f"renewed-{ns}", CONFIG_MAPS, namespace=ns)
    key = KeyPair.new("user")
    first = granted(api, f"renewed-{ns}", publicKey=key.public, expirationSeconds=60)
    again = granted(api, f"renewed-{ns}", publicKey=key.public, expirationSeconds=600)
    assert "credentials" not in first
    assert key.seed not in str(first)
    assert first["inboxPrefix"] == again["inboxPrefix"] == f"_INBOX_{key.public}"
    assert claims_of(again["jwt"])["exp"] > claims_of(first["jwt"])["exp"]
    written = write(api, ns, 1)
    async with listener(again, key) as connection:
        assert rvs(await take(connection, again["consumer"], 1)) == written


async def test_a_narrowed_selection_narrows_what_old_credentials_can_read(api: Client, ns: str) -> None:
    subscribe(api, f"narrowed-{ns}", CONFIG_MAPS)
    told = granted(api, f"narrowed-{ns}")
    change = {"spec": {"namespace": ns}}
    assert api.patch(f"{SUBSCRIPTIONS}/narrowed-{ns}", change).status == 200
    fresh = granted(api, f"narrowed-{ns}")
    assert fresh["filters"] == [f"changes.core.configmaps.{ns}.>"]

    async def is_narrowed() -> bool:
        async with listener(told) as connection:
            info = await connection.api(f"CONSUMER.RESET.{subjects.STREAM}.{told['consumer']}")
        return str(info["config"]["filter_subject"]) == fresh["filters"][0]

    await eventually(is_narrowed, timeout_seconds=40, what="the consumer's new selection")
    write(api, "default", 1, prefix=f"unseen-{ns}")
    written = write(api, ns, 1)
    async with listener(told) as connection:
        assert rvs(await take(connection, told["consumer"], 1)) == written


async def test_a_kubelets_also_serve_its_node(bus: Bus, client_of: Clients, ns: str) -> None:
    node = client_of(NODE)
    pods = {"group": "", "resource": "pods"}
    node.post(SUBSCRIPTIONS, subscription("kubelet-node-1", pods, node="node-1"))
    told = granted(node, "kubelet-node-1")

    async def answer(params: dict[str, object]):  # type: ignore[no-untyped-def]
        yield b"from node-1"

    async with listener(told) as connection, bus.owner() as owner:
        serving = asyncio.create_task(node_rpc.Server(connection, "node-1", {"logs": answer}).run())

        async def answers() -> bool:
            try:
                return [c async for c in node_rpc.call(owner, "node-1", "logs", {}, timeout=2)] == [b"from node-1"]
            except BusError:
                return False

        await eventually(answers, what="the node's answer")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def test_without_the_signing_key_it_says_what_to_do(bus: Bus, api: Client, ns: str) -> None:
    subscribe(api, f"unsigned-{ns}")
    keyless = super(Bus, bus).another_server()
    keyless.start()
    try:
        client = Client(keyless.port, keyless.tls, keyless.token())
        answer = ask(client, f"unsigned-{ns}")
        client.close()
    finally:
        keyless.stop()
    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
    assert "--nats-listeners-seed-file" in answer.message


async def test_two_who_read_one_subscription_at_once_miss_nothing(api: Client, ns: str) -> None:
    """It is meant for one; a second one takes over, and then the first one again: what is not acknowledged comes."""
    subscribe(api, f"shared-{ns}", CONFIG_MAPS, namespace=ns)
    told = granted(api, f"shared-{ns}")
    seen: set[int] = set()

    async def read(connection: Connection) -> None:
        subscriber = Subscriber(connection, name=told["consumer"], filters=[])
        async for change in subscriber.changes():
            seen.add(change.rv)
            await subscriber.acknowledge(change.rv)

    async with Connection(Holder(told), name="a").running() as a, Connection(Holder(told), name="b").running() as b:
        tasks = [asyncio.create_task(read(one)) for one in (a, b)]
        written: list[int] = []
        for number in range(10):
            written += await asyncio.to_thread(write, api, ns, 3, prefix=f"n{number}-")
        await eventually(lambda: seen >= set(written), timeout_seconds=60, what="all changes")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
