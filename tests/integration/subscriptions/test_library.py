"""The library against a real control plane: what `broker.listen` says is so."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from broker import listen as listening
from broker.by_key import by_key
from broker.change import Change, Key
from broker.kubeconfig import ApiConfig
from broker.listen import (
    Api,
    ApiAway,
    ApiRefused,
    CredentialsExpired,
    Cursor,
    CursorLost,
    Grant,
    follow,
    listen,
    opened,
    replay,
    subscribe,
)
from tests.conftest import eventually
from tests.integration.rest.client import MERGE_PATCH, Client, config_map, path_of, pod
from tests.integration.rest.server import NODE
from tests.integration.subscriptions.bus import (
    CONFIG_MAPS,
    SUBSCRIPTIONS,
    Bus,
    ask,
    condition,
    granted,
    read_subscription,
    rvs,
    subscription,
    wait_until,
    write,
)
from tests.integration.subscriptions.bus import subscribe as made

PODS = {"group": "", "resource": "pods"}


@contextlib.asynccontextmanager
async def api_of(bus: Bus, token: str = "") -> AsyncIterator[Api]:
    server = bus.server
    config = ApiConfig(server=server.url, ca_data=server.pki.ca.read_bytes(), token=token or server.token())
    async with Api(config, patience_seconds=20) as api:
        yield api


async def take(changes: AsyncGenerator[Change, None], count: int) -> list[Change]:
    async with asyncio.timeout(60):
        return [await anext(changes) for _ in range(count)]


# Listening


async def test_whoever_comes_back_goes_on_behind_what_was_acknowledged(bus: Bus, api: Client, ns: str) -> None:
    made(api, f"listen-{ns}", namespace=ns)
    written = write(api, ns, 5)
    async with api_of(bus) as asked:
        async with subscribe(f"listen-{ns}", asked) as cursor, aclosing(listen(cursor)) as changes:
            found = await take(changes, 4)
            assert rvs(found) == written[:4]
            assert await cursor.acknowledge(found[2])
            assert cursor.position == written[2]
        async with subscribe(f"listen-{ns}", asked) as cursor, aclosing(listen(cursor)) as changes:
            assert rvs(await take(changes, 2)) == written[3:]


async def test_a_change_tells_who_made_what_of_which_object(bus: Bus, api: Client, ns: str) -> None:
    made(api, f"told-{ns}", namespace=ns)
    write(api, ns, 1)
    api.delete(path_of(ns, "configmaps", "c0"))
    async with api_of(bus) as asked, subscribe(f"told-{ns}", asked) as cursor, aclosing(listen(cursor)) as changes:
        added, deleted = await take(changes, 2)
    assert (added.type, deleted.type) == ("ADDED", "DELETED")
    assert added.key == deleted.key == Key("", "configmaps", ns, "c0")
    assert (added.actor, added.object()["metadata"]["resourceVersion"]) == ("admin", str(added.rv))
    assert added.time.endswith("Z")


async def test_labels_are_selected_by_the_library(bus: Bus, api: Client, ns: str) -> None:
    made(api, f"labels-{ns}", namespace=ns, labelSelector={"matchLabels": {"app": "web"}})
    for number, app in enumerate(("web", "db", "web", "db")):
        wanted = config_map(f"c{number}")
        wanted["metadata"]["labels"] = {"app": app}
        api.make(path_of(ns, "configmaps"), wanted)
    async with api_of(bus) as asked, subscribe(f"labels-{ns}", asked) as cursor, aclosing(listen(cursor)) as changes:
        found = await take(changes, 2)
        assert [one.key.name for one in found] == ["c0", "c2"]
        await cursor.acknowledge(found[-1])
        waiting = asyncio.create_task(anext(changes))  # type: ignore[arg-type]
        await eventually(lambda: read_subscription(api, f"labels-{ns}")["status"]["lag"] == 0, what="nothing left")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_secrets_come_without_their_values(bus: Bus, api: Client, ns: str) -> None:
    made(api, f"sealed-{ns}", {"group": "", "resource": "secrets"}, namespace=ns)
    value = base64.b64encode(b"treasure").decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"a": value}}
    api.make(path_of(ns, "secrets"), secret)
    async with api_of(bus) as asked, subscribe(f"sealed-{ns}", asked) as cursor, aclosing(listen(cursor)) as changes:
        found = (await take(changes, 1))[0]
    assert found.object()["metadata"]["name"] == "key"
    assert value.encode() not in found.body
    assert b"treasure" not in found.body


# By key


async def test_by_key_each_object_is_handled_in_turn_and_acknowledged_when_done(bus: Bus, api: Client, ns: str) -> None:
    name = f"keyed-{ns}"
    made(api, name, namespace=ns)
    seen: dict[str, list[int]] = {}
    at_work: set[Key] = set()

    async def handle(key: Key, changes: Sequence[Change]) -> None:
        assert key not in at_work
        at_work.add(key)
        await asyncio.sleep(0.001)
        seen.setdefault(key.name, []).extend(rvs(list(changes)))
        at_work.remove(key)

    async with api_of(bus) as asked, subscribe(name, asked) as cursor:
        handling = asyncio.create_task(by_key(cursor, handle))
        last = (await asyncio.to_thread(write, api, ns, 3))[-1]
        for number in range(27):
            path = path_of(ns, "configmaps", f"c{number % 3}")
            answer = await asyncio.to_thread(api.patch, path, {"data": {"n": str(number)}}, MERGE_PATCH)
            last = int(answer.rv)
        await eventually(lambda: read_subscription(api, name)["status"]["lag"] == 0, timeout_seconds=40, what="done")
        handling.cancel()
        await asyncio.gather(handling, return_exceptions=True)
    assert sorted(len(one) for one in seen.values()) == [10, 10, 10]
    assert all(one == sorted(one) for one in seen.values())
    assert max(rv for one in seen.values() for rv in one) == last


async def test_by_key_the_unfinished_comes_again(bus: Bus, api: Client, ns: str) -> None:
    name = f"again-{ns}"
    made(api, name, namespace=ns)
    written = write(api, ns, 6)
    finished: list[str] = []

    async def handle(key: Key, changes: Sequence[Change]) -> None:
        if key.name == "c2":
            await asyncio.Event().wait()
        finished.append(key.name)

    async with api_of(bus) as asked:
        async with subscribe(name, asked) as cursor:
            handling = asyncio.create_task(by_key(cursor, handle))
            await eventually(lambda: len(finished) == 5, what="all but one")
            handling.cancel()
            await asyncio.gather(handling, return_exceptions=True)
        async with subscribe(name, asked) as cursor, aclosing(listen(cursor)) as changes:
            assert rvs(await take(changes, 4)) == written[2:]


# What exists, then what changes


async def test_everything_is_what_exists_and_then_what_changes(bus: Bus, api: Client, ns: str) -> None:
    name = f"all-{ns}"
    written = write(api, ns, 4)
    api.delete(path_of(ns, "configmaps", "c1"))
    made(api, name, namespace=ns, start={"from": "Everything"})
    behind = write(api, ns, 1, prefix="d")
    async with api_of(bus) as asked:
        async with subscribe(name, asked) as cursor, aclosing(follow(cursor)) as changes:
            found = await take(changes, 4)
            assert [(one.type, one.key.name) for one in found] == [("ADDED", n) for n in ("c0", "c2", "c3", "d0")]
            assert rvs(found) == [written[0], *written[2:], *behind]
            later = write(api, ns, 1, prefix="e")
            assert rvs(await take(changes, 1)) == later
        async with subscribe(name, asked) as cursor, aclosing(follow(cursor)) as changes:
            found = await take(changes, 5)
            assert [one.key.name for one in found] == ["c0", "c2", "c3", "d0", "e0"]
            await cursor.acknowledge(found[-1])
            last = write(api, ns, 1, prefix="f")
            assert rvs(await take(changes, 1)) == last
        async with subscribe(name, asked) as cursor, aclosing(follow(cursor)) as changes:
            assert rvs(await take(changes, 1)) == last


async def test_a_snapshot_is_of_what_is_selected(bus: Bus, api: Client, ns: str) -> None:
    name = f"some-{ns}"
    api.make(path_of(ns, "pods"), pod("here", nodeName="node-1"))
    api.make(path_of(ns, "pods"), pod("there", nodeName="node-2"))
    labelled = config_map("one")
    labelled["metadata"]["labels"] = {"app": "web"}
    for wanted in (labelled, config_map("other")):
        api.make(path_of(ns, "configmaps"), wanted)
    resources = (PODS, {"group": "", "resource": "configmaps", "name": "one"}, {"group": "apps", "resource": "*"})
    made(api, name, *resources, namespace=ns, node="node-1", start={"from": "Everything"})
    async with api_of(bus) as asked, subscribe(name, asked) as cursor, aclosing(follow(cursor)) as changes:
        found = await take(changes, 2)
        assert {str(one.key) for one in found} == {f"pods/{ns}/here", f"configmaps/{ns}/one"}
        assert {one.object()["kind"] for one in found} == {"Pod", "ConfigMap"}
        moved = api.patch(path_of(ns, "configmaps", "one"), {"data": {"a": "b"}}, MERGE_PATCH)
        assert rvs(await take(changes, 1)) == [int(moved.rv)]


async def test_a_snapshot_is_right_while_everything_changes(bus: Bus, api: Client, ns: str) -> None:
    """Its lists and the changes behind them are put together to what is there in the end."""
    name = f"busy-{ns}"
    made(api, name, CONFIG_MAPS, {"group": "", "resource": "services"}, namespace=ns, start={"from": "Everything"})
    other = api.like()
    ended = False

    def churn() -> None:
        for number in range(120):
            other.make(path_of(ns, "configmaps"), config_map(f"n{number}"))
            if number % 3 == 0:
                other.delete(path_of(ns, "configmaps", f"n{number}"))

    known: dict[Key, str] = {}
    async with api_of(bus) as asked:
        churning = asyncio.create_task(asyncio.to_thread(churn))
        async with subscribe(name, asked) as cursor, aclosing(follow(cursor)) as changes:
            while not ended:
                change = (await take(changes, 1))[0]
                known[change.key] = change.type
                if change.type == "DELETED":
                    del known[change.key]
                await cursor.acknowledge(change)
                ended = change.key.name == "n119"
        await churning
    other.close()
    assert sorted(key.name for key in known) == sorted(api.get(path_of(ns, "configmaps")).names)


async def test_after_a_lost_cursor_one_begins_afresh(tmp_path: Path) -> None:
    with Bus(tmp_path, stream_max_bytes=40_000) as bus:
        api = bus.client()
        made(api, "passed")
        write(api, "default", 1)
        write(api, "default", 60, prefix="filler", size=2_000)
        wait_until(lambda: condition(api, "passed", "Expired") == "True", what="Expired")
        async with api_of(bus) as asked, subscribe("passed", asked) as cursor:
            with pytest.raises(CursorLost):
                await take(listen(cursor), 1)
            async with aclosing(follow(cursor, fresh=True)) as changes:
                there = api.get("/api/v1/configmaps").names
                found = await take(changes, len(there))
                assert sorted((one.type, one.key.name) for one in found) == [("ADDED", name) for name in sorted(there)]
        api.close()


# The past


async def test_a_stretch_of_the_past_is_read_again(bus: Bus, api: Client, ns: str) -> None:
    written = write(api, ns, 5)
    api.make(path_of(ns, "pods"), pod("web"))
    async with api_of(bus) as asked:
        found = [one async for one in replay(asked, ["cm"], first=written[1], last=written[3], namespace=ns)]
        assert (rvs(found), found[0].type, found[0].actor) == (written[1:4], "ADDED", "admin")
        assert found[0].object()["metadata"]["name"] == "c1"
        assert str(found[0].key) == f"configmaps/{ns}/c1"
        everything = [one async for one in replay(asked, ["cm", "pods"], since="10m", namespace=ns)]
        assert (rvs(everything)[:5], everything[-1].key.resource) == (written, "pods")
        with pytest.raises(ApiRefused, match="made-up"):
            await take(replay(asked, ["made-up"]), 1)
    async with api_of(bus, bus.server.token(NODE)) as node:
        with pytest.raises(ApiRefused, match="cannot watch") as refused:
            await take(replay(node, ["deployments"]), 1)
        assert refused.value.code == 403


# Credentials


async def test_credentials_are_renewed_before_they_end(
    bus: Bus, api: Client, ns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.grant.LEAST_RENEWAL_SECONDS", 0.3)
    monkeypatch.setattr(Grant, "renew_in", lambda self, now: 0.3)
    asked_for: list[str] = []
    issue = Api.grant

    async def counted(self: Api, *args: Any, **options: Any) -> Grant:
        grant = await issue(self, *args, **options)
        asked_for.append(grant.jwt)
        return grant

    monkeypatch.setattr(Api, "grant", counted)
    made(api, f"renewed-{ns}", namespace=ns)
    async with (
        api_of(bus) as asked,
        subscribe(f"renewed-{ns}", asked, lifetime_seconds=60) as cursor,
        aclosing(listen(cursor)) as changes,
    ):
        await eventually(lambda: len(asked_for) >= 3, what="renewals")
        written = write(api, ns, 1)
        assert rvs(await take(changes, 1)) == written


async def test_credentials_that_nobody_renews_end_with_an_error(bus: Bus, api: Client, ns: str) -> None:
    made(api, f"ending-{ns}", namespace=ns)
    written = write(api, ns, 1)
    grant = Grant.of_answer(ask(api, f"ending-{ns}").json)
    monkeyed = pytest.MonkeyPatch()
    with monkeyed.context() as patched:
        patched.setattr(Grant, "expires_at", property(lambda self: int(time.time() + 1) if not ended else 1))
        ended: list[bool] = []
        with pytest.raises(CredentialsExpired, match=f"ending-{ns}"):
            await _listen_until_the_end(grant, written, ended)


async def _listen_until_the_end(grant: Grant, written: list[int], ended: list[bool]) -> None:
    async with asyncio.timeout(30), opened(grant) as cursor, aclosing(listen(cursor)) as changes:
        assert rvs(await take(changes, 1)) == written
        ended.append(True)
        await anext(changes)


async def test_a_file_and_what_else_was_answered_are_enough(bus: Bus, api: Client, ns: str, tmp_path: Path) -> None:
    made(api, f"filed-{ns}", namespace=ns)
    told = granted(api, f"filed-{ns}")
    file = tmp_path / "filed.creds"
    file.write_text(told["credentials"])
    written = write(api, ns, 1)
    grant = Grant.of_file(file, servers=told["servers"], consumer=told["consumer"])
    async with opened(grant) as cursor, aclosing(listen(cursor)) as changes:
        assert rvs(await take(changes, 1)) == written


async def test_a_subscription_that_is_deleted_ends_its_listener(
    bus: Bus, api: Client, ns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ASK_AGAIN_SECONDS", 0.5)
    made(api, f"deleted-{ns}", namespace=ns)
    write(api, ns, 1)

    async def hear() -> None:
        async with (
            asyncio.timeout(60),
            api_of(bus) as asked,
            subscribe(f"deleted-{ns}", asked) as cursor,
            aclosing(listen(cursor)) as changes,
        ):
            await take(changes, 1)
            api.delete(f"{SUBSCRIPTIONS}/deleted-{ns}")
            await anext(changes)

    with pytest.raises(ApiRefused, match="not found") as refused:
        await hear()
    assert refused.value.code == 404


async def test_what_one_may_not_watch_one_may_not_subscribe_to(bus: Bus, api: Client, ns: str) -> None:
    api.make(SUBSCRIPTIONS, subscription(f"denied-{ns}", {"group": "apps", "resource": "deployments"}))
    async with api_of(bus, bus.server.token(NODE)) as asked:
        with pytest.raises(ApiRefused, match="cannot watch"):
            await subscribe(f"denied-{ns}", asked).__aenter__()
        with pytest.raises(ApiRefused, match="not found"):
            await subscribe(f"nothing-{ns}", asked).__aenter__()


async def test_an_error_of_the_body_comes_out_as_it_is(bus: Bus, api: Client, ns: str) -> None:
    made(api, f"body-{ns}", namespace=ns)

    async def fail() -> None:
        async with api_of(bus) as asked, subscribe(f"body-{ns}", asked):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fail()


# Outages


async def test_a_listener_goes_on_after_nats_and_the_api_server_were_away(tmp_path: Path) -> None:
    with Bus(tmp_path) as bus:
        api = bus.client()
        made(api, "lasting")
        written = write(api, "default", 3)
        async with api_of(bus) as asked, subscribe("lasting", asked) as cursor, aclosing(listen(cursor)) as changes:
            found = await take(changes, 2)
            assert await cursor.acknowledge(found[0])
            bus.nats.kill()
            assert not await cursor.acknowledge(found[1])
            bus.nats.start()
            assert rvs(await take(changes, 1)) == written[2:]
            api.close()
            await asyncio.to_thread(bus.server.stop)
            bus.nats.kill()
            bus.nats.start()
            bus.server = bus.another_server()
            await asyncio.to_thread(bus.server.start)
            api = bus.client()
            later = write(api, "default", 1, prefix="later")
            assert rvs(await take(changes, 1)) == later
        await eventually(lambda: read_subscription(api, "lasting")["status"]["acknowledged"] >= written[1], what="told")
        api.close()


async def test_an_api_server_that_is_away_is_told_apart(bus: Bus) -> None:
    config = ApiConfig(server="http://127.0.0.1:1", token="x")
    async with Api(config, patience_seconds=0) as asked:
        with pytest.raises(ApiAway, match="does not answer"):
            await asked.get("/version")


async def test_two_cursors_are_two_subscriptions(bus: Bus, api: Client, ns: str) -> None:
    for name in ("a", "b"):
        made(api, f"{name}-{ns}", namespace=ns)
    written = write(api, ns, 2)
    async with api_of(bus) as asked:

        async def hear(name: str) -> list[int]:
            cursor: Cursor
            async with subscribe(f"{name}-{ns}", asked) as cursor, aclosing(listen(cursor)) as changes:
                found = await take(changes, 2)
                await cursor.acknowledge(found[-1])
                return rvs(found)

        assert await asyncio.gather(hear("a"), hear("b")) == [written, written]
