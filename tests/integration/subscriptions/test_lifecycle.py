"""A Subscription and its consumer, from the one's creation to the other's removal; and the status in between."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from apiserver.subscriptions import keeper
from broker import consumer, subjects
from broker.connection import Connection
from broker.consumer import ConsumerState
from broker.errors import ConsumerMissing
from broker.subscriber import Subscriber
from deploy.kubeconfig import write_kubeconfig
from tests.conftest import eventually
from tests.integration.rest.client import MERGE_PATCH, Client
from tests.integration.subscriptions.bus import (
    CONFIG_MAPS,
    SUBSCRIPTIONS,
    Bus,
    condition,
    granted,
    listener,
    read_subscription,
    row,
    rvs,
    subscribe,
    subscription,
    take,
    wait_for_checkpoint,
    wait_until,
    write,
)
from tests.plane import kubectl_binary, run

SERVICES = {"group": "", "resource": "services"}


async def _find(owner: Connection, name: str) -> ConsumerState | None:
    try:
        return await consumer.find(owner, name)
    except ConsumerMissing:
        return None


async def _gone(owner: Connection, name: str) -> bool:
    return await _find(owner, name) is None


async def test_the_consumer_goes_with_its_subscription(bus: Bus, api: Client, ns: str) -> None:
    subscribe(api, f"brief-{ns}", namespace=ns)
    async with bus.owner() as owner:
        assert await _find(owner, f"brief-{ns}") is not None
        assert api.delete(f"{SUBSCRIPTIONS}/brief-{ns}").status == 200
        await eventually(lambda: api.get(f"{SUBSCRIPTIONS}/brief-{ns}").status == 404, what="removed")
        assert await _gone(owner, f"brief-{ns}")


async def test_a_consumer_that_is_gone_already_holds_up_no_removal(bus: Bus, api: Client, ns: str) -> None:
    subscribe(api, f"lost-{ns}", namespace=ns)
    async with bus.owner() as owner:
        await consumer.remove(owner, f"lost-{ns}")
    api.delete(f"{SUBSCRIPTIONS}/lost-{ns}")
    await eventually(lambda: api.get(f"{SUBSCRIPTIONS}/lost-{ns}").status == 404, what="removed")


async def test_a_new_one_of_an_old_name_does_not_inherit_the_cursor(bus: Bus, api: Client, ns: str) -> None:
    """Also where its forerunner went without its finalizer being seen to, as when somebody took that off by hand."""
    name = f"again-{ns}"
    written = write(api, ns, 3)
    subscribe(api, name, namespace=ns, start={"resourceVersion": str(written[0])})
    uid = read_subscription(api, name)["metadata"]["uid"]
    told = granted(api, name)
    async with listener(told) as connection:
        assert rvs(await take(connection, name, 2, acknowledge=-1)) == written[1:]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keeper.Keeper, "_may_work", lambda self: False)
        api.delete(f"{SUBSCRIPTIONS}/{name}")
        api.patch(f"{SUBSCRIPTIONS}/{name}", {"metadata": {"finalizers": None}}, MERGE_PATCH)
        assert api.get(f"{SUBSCRIPTIONS}/{name}").status == 404
        api.make(SUBSCRIPTIONS, subscription(name, namespace=ns, start={"resourceVersion": str(written[0])}))
    wait_until(lambda: condition(api, name, "Ready") == "True", what="Ready")
    assert read_subscription(api, name)["metadata"]["uid"] != uid
    async with listener(granted(api, name)) as connection:
        assert rvs(await take(connection, name, 2)) == written[1:]


async def test_a_consumer_that_somebody_removed_is_made_again_at_the_checkpoint(bus: Bus, api: Client, ns: str) -> None:
    name = f"remade-{ns}"
    written = write(api, ns, 4)
    subscribe(api, name, namespace=ns, start={"resourceVersion": str(written[0] - 1)})
    async with listener(granted(api, name)) as connection:
        await take(connection, name, 4, acknowledge=written[2])
    async with bus.owner() as owner:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(keeper, "CHECKPOINT_SECONDS", 0.0)
            wait_for_checkpoint(api, name, written[2])
        await consumer.remove(owner, name)
        await eventually(lambda: _is_there(owner, name), what="the consumer made again")
    async with listener(granted(api, name)) as connection:
        assert rvs(await take(connection, name, 1)) == [written[3]]


async def _is_there(owner: Connection, name: str) -> bool:
    return not await _gone(owner, name)


async def test_a_new_selection_keeps_the_cursor(api: Client, ns: str) -> None:
    name = f"moving-{ns}"
    subscribe(api, name, CONFIG_MAPS, namespace=ns)
    written = write(api, ns, 3)
    async with listener(granted(api, name)) as connection:
        await take(connection, name, 3, acknowledge=written[1])
        api.patch(f"{SUBSCRIPTIONS}/{name}", {"spec": {"resources": [CONFIG_MAPS, SERVICES]}}, MERGE_PATCH)
        wait_until(
            lambda: _observed(api, name) == read_subscription(api, name)["metadata"]["generation"] == 2,
            what="the conditions of the new generation",
        )
        port = {"spec": {"ports": [{"port": 80}]}}
        made = api.make(f"/api/v1/namespaces/{ns}/services", {"metadata": {"name": "web"}, **port})
        found = await take(connection, name, 2)
    assert rvs(found) == [written[2], int(made["metadata"]["resourceVersion"])]


async def test_what_is_selected_anew_comes_from_where_the_cursor_is_told_to_be(api: Client, ns: str) -> None:
    """A subscriber with nothing to do counts as being at the end of the stream."""
    name = f"idle-{ns}"
    subscribe(api, name, SERVICES, namespace=ns)
    before = write(api, ns, 3)
    wait_until(lambda: read_subscription(api, name)["status"]["acknowledged"] >= before[-1], what="idle at the end")
    api.patch(f"{SUBSCRIPTIONS}/{name}", {"spec": {"resources": [CONFIG_MAPS]}}, MERGE_PATCH)
    wait_until(lambda: _observed(api, name) == 2, what="the new selection")
    after = write(api, ns, 2, prefix="d")
    async with listener(granted(api, name)) as connection:
        assert rvs(await take(connection, name, 2)) == after


def _observed(api: Client, name: str) -> int:
    conditions = read_subscription(api, name)["status"]["conditions"]
    return min(int(one["observedGeneration"]) for one in conditions)


async def test_the_status_is_of_this_moment(api: Client, ns: str) -> None:
    name = f"seen-{ns}"
    subscribe(api, name, CONFIG_MAPS, namespace=ns)
    status = read_subscription(api, name)["status"]
    assert (status["lag"], status["connected"], status["consumer"]) == (0, False, name)
    assert "lastSeen" not in status
    assert (row(api, name)["Last seen"], row(api, name)["State"]) == ("<never>", "Ready")
    written = write(api, ns, 5)
    waiting = read_subscription(api, name)["status"]
    assert (waiting["lag"], waiting["acknowledged"] < written[0]) == (5, True)
    async with listener(granted(api, name)) as connection:
        subscriber = Subscriber(connection, name=name, filters=[])
        async with contextlib.aclosing(subscriber.changes()) as changes:
            async for change in changes:
                if change.rv == written[3]:
                    break
            await subscriber.acknowledge_surely(written[2])
            taken = read_subscription(api, name)["status"]
            assert (taken["acknowledged"], taken["delivered"], taken["lag"]) == (written[2], written[4], 2)
            await eventually(lambda: read_subscription(api, name)["status"]["connected"] is True, what="connected")
            assert "lastSeen" in read_subscription(api, name)["status"]
            await subscriber.acknowledge_surely(written[3])
    shown = row(api, name)
    assert (shown["Listens to"], shown["Acknowledged"], shown["Lag"]) == (f"configmaps in {ns}", written[3], 1)
    listed = [one for one in api.get(SUBSCRIPTIONS).json["items"] if one["metadata"]["name"] == name]
    assert listed[0]["status"]["acknowledged"] == written[3]


async def test_a_subscriber_that_only_waited_was_seen_until_it_left(api: Client, ns: str) -> None:
    name = f"idler-{ns}"
    subscribe(api, name, CONFIG_MAPS, namespace=ns)
    async with listener(granted(api, name)) as connection:
        waiting = asyncio.create_task(take(connection, name, 1))
        await eventually(lambda: read_subscription(api, name)["status"]["connected"] is True, what="connected")
        await asyncio.sleep(2 * keeper.ROUND_SECONDS)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await eventually(lambda: read_subscription(api, name)["status"]["connected"] is False, what="gone")
    assert "lastSeen" in read_subscription(api, name)["status"]
    assert row(api, name)["Last seen"] != "<never>"


async def test_reading_a_status_writes_nothing(api: Client, ns: str) -> None:
    name = f"quiet-{ns}"
    subscribe(api, name, CONFIG_MAPS, namespace=ns)
    version = read_subscription(api, name)["metadata"]["resourceVersion"]
    write(api, ns, 3)
    async with listener(granted(api, name)) as connection:
        await take(connection, name, 3, acknowledge=-1)
    wait_until(lambda: read_subscription(api, name)["status"]["lag"] == 0, what="all acknowledged")
    assert read_subscription(api, name)["metadata"]["resourceVersion"] == version


@pytest.mark.kubectl
async def test_kubectl_applies_one_and_waits_for_it_again_after_a_change(
    bus: Bus, api: Client, ns: str, tmp_path: Path
) -> None:
    config = tmp_path / "kubeconfig"
    server = bus.server
    write_kubeconfig(config, server=server.url, ca_pem=server.pki.ca.read_bytes(), user="admin", token=server.token())
    kubectl = [str(kubectl_binary()), f"--kubeconfig={config}"]
    name = f"applied-{ns}"
    for namespace in (ns, "default"):
        text = (
            f"apiVersion: broker.backbeat.dev/v1\nkind: Subscription\nmetadata: {{name: {name}}}\n"
            f"spec: {{resources: [{{group: '', resource: configmaps}}], namespace: {namespace}}}\n"
        )
        applied = await asyncio.to_thread(run, [*kubectl, "apply", "-f", "-"], stdin=text, env={"HOME": str(tmp_path)})
        assert applied.code == 0, applied.err
        wait = ["wait", "--for=condition=Ready", "--timeout=60s", f"subscription/{name}"]
        waited = await asyncio.to_thread(run, [*kubectl, *wait], env={"HOME": str(tmp_path)})
        assert (waited.code, waited.out) == (0, f"subscription.broker.backbeat.dev/{name} condition met\n"), waited.err
    shown = await asyncio.to_thread(run, [*kubectl, "get", "subs", name], env={"HOME": str(tmp_path)})
    assert shown.code == 0, shown.err
    assert shown.out.splitlines()[0].split() == [
        "NAME", "LISTENS", "TO", "ACKNOWLEDGED", "LAG", "LAST", "SEEN", "STATE", "AGE",
    ]  # fmt: skip
    assert "configmaps in default" in shown.out


async def test_one_that_cannot_be_settled_holds_up_no_other(bus: Bus, api: Client, ns: str) -> None:
    """Somebody else has a consumer of that name, of another kind."""
    async with bus.owner() as owner:
        config = {"durable_name": f"taken-{ns}", "ack_policy": "none", "deliver_subject": "somewhere"}
        await owner.api(
            f"CONSUMER.DURABLE.CREATE.{subjects.STREAM}.taken-{ns}", {"stream_name": subjects.STREAM, "config": config}
        )
        api.make(SUBSCRIPTIONS, subscription(f"taken-{ns}", namespace=ns))
        subscribe(api, f"untaken-{ns}", namespace=ns)
        await consumer.remove(owner, f"taken-{ns}")
        wait_until(lambda: condition(api, f"taken-{ns}", "Ready") == "True", what="settled at last")
