"""Nodes are judged by this process's clock, and never for what did not get here."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agents.client.informer import Informer
from agents.client.outcome import RetryAfter
from agents.client.resources import LEASES, NODES, PODS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Delta, Key
from agents.controllers.node_decide import UNREACHABLE
from agents.controllers.node_lifecycle import LEASE_NAMESPACE, NodeLifecycleController
from agents.controllers.settings import ControllerSettings
from apiserver.api import status
from tests.unit.agents.controllers.objects import node, pod

Obj = dict[str, Any]
GRACE = 50.0


class Api:
    """What a live read answers, and what was written."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Obj] = {}
        self.away = False
        self.rv = 100
        self.learn: dict[str, Informer] = {}

    async def get(self, ref: ResourceRef, name: str, *, namespace: str = "") -> Obj:
        if self.away:
            raise ApiUnavailable("away")
        if (ref.resource, name) not in self.objects:
            raise status.not_found(ref.resource, ref.group, name)
        return copy.deepcopy(self.objects[ref.resource, name])

    async def update(self, ref: ResourceRef, obj: Obj, *, subresource: str = "") -> Obj:
        return self._put(ref, obj["metadata"]["name"], obj)

    async def patch(self, ref: ResourceRef, name: str, patch: Obj, *, resource_version: str = "") -> Obj:
        return self._put(ref, name, {**self.objects[ref.resource, name], **patch})

    def _put(self, ref: ResourceRef, name: str, obj: Obj) -> Obj:
        self.rv += 1
        made = copy.deepcopy(obj)
        made["metadata"]["resourceVersion"] = str(self.rv)
        self.objects[ref.resource, name] = made
        return copy.deepcopy(made)


class Events:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def named(self, component: str) -> Events:
        assert component == "node-controller"
        return self

    def event(self, obj: Obj, kind: str, reason: str, message: str) -> None:
        self.said.append((obj["metadata"]["name"], reason))


class World:
    """The controller over informers that the test feeds, with a clock that the test moves. It is the agent, too."""

    def __init__(self) -> None:
        self.rest = Api()
        self.ready = True
        self.time = 0.0
        self.events = Events()
        self._informers = {ref: Informer(ref) for ref in (NODES, LEASES, PODS)}
        settings = ControllerSettings(kubeconfig=Path("x"), nats_url=SecretStr("nats://x"))
        self.controller = NodeLifecycleController(self, self.events, settings, clock=lambda: self.time)  # type: ignore[arg-type]

    def informer(self, ref: ResourceRef) -> Informer:
        return self._informers[ref]

    def put(self, ref: ResourceRef, obj: Obj, *, heard: bool = True) -> None:
        made = self.rest._put(ref, obj["metadata"]["name"], obj)
        if heard:
            self.hear(ref, made)

    def hear(self, ref: ResourceRef, obj: Obj) -> None:
        delta: Delta = self._informers[ref].apply("MODIFIED", obj)
        watched = self.controller.watches.get(ref)
        if watched is not None:
            list(watched(delta))

    def add(self, name: str, **changes: Any) -> None:
        self.put(NODES, node(name, **changes))
        self.renew(name)

    def renew(self, name: str, *, heard: bool = True) -> None:
        """A kubelet whose clock is decades behind."""
        meta = {"name": name, "namespace": LEASE_NAMESPACE}
        self.put(
            LEASES, {"metadata": meta, "spec": {"renewTime": f"1999-01-01T00:00:00.{self.rest.rv:06}Z"}}, heard=heard
        )

    async def look(self, name: str) -> float:
        outcome = await self.controller.reconcile(Key("", name))
        assert isinstance(outcome, RetryAfter)
        return outcome.seconds

    def state(self, name: str) -> str:
        conditions = self.rest.objects["nodes", name]["status"]["conditions"]
        return str(next(c["status"] for c in conditions if c["type"] == "Ready"))

    def evicting(self, name: str) -> bool:
        taints = self.rest.objects["nodes", name]["spec"].get("taints") or []
        return (UNREACHABLE, "NoExecute") in {(t["key"], t["effect"]) for t in taints}


@pytest.fixture
def world() -> World:
    made = World()
    for name in ("a", "b", "c"):
        made.add(name)
    return made


async def test_a_node_whose_lease_changes_is_alive_whatever_its_clock_says(world: World) -> None:
    for _ in range(20):
        world.time += 10
        world.renew("a")
        await world.look("a")
    assert world.state("a") == "True"


async def test_a_silent_node_is_marked_after_its_grace_and_looked_at_when_that_ends(world: World) -> None:
    assert await world.look("a") == GRACE
    world.time += 40
    assert await world.look("a") == 10
    world.time += 10
    world.renew("b")
    world.renew("c")
    await world.look("a")
    assert world.state("a") == "Unknown"
    assert world.evicting("a")
    assert ("a", "NodeNotReady") in world.events.said


async def test_pods_of_a_silent_node_are_not_ready(world: World) -> None:
    world.put(PODS, pod("p", node="a"))
    world.put(PODS, pod("q", node="b"))
    world.time += GRACE
    await world.look("a")
    ready = {n: world.rest.objects["pods", n]["status"]["conditions"][0]["status"] for n in ("p", "q")}
    assert ready == {"p": "False", "q": "True"}
    assert ("p", "NodeNotReady") in world.events.said


async def test_a_renewal_that_did_not_get_here_is_asked_for(world: World) -> None:
    world.time += GRACE
    world.renew("a", heard=False)
    await world.look("a")
    assert world.state("a") == "True"
    world.time += GRACE
    world.renew("b")
    await world.look("a")
    assert world.state("a") == "Unknown"


async def test_after_an_outage_of_the_api_server_everybody_gets_a_full_grace(world: World) -> None:
    world.rest.away = True
    world.time += 3600
    with pytest.raises(ApiUnavailable):
        await world.look("a")
    world.rest.away = False
    assert await world.look("b") == GRACE
    assert world.state("b") == "True"


async def test_while_the_stream_is_away_nobody_is_judged(world: World) -> None:
    world.ready = False
    world.time += 3600
    await world.look("a")
    world.ready = True
    assert await world.look("a") == GRACE
    assert world.state("a") == "True"


async def test_a_controller_that_just_started_gives_everybody_a_full_grace() -> None:
    world = World()
    world.time = 10_000
    world.add("a")
    assert await world.look("a") == GRACE


async def test_nodes_of_a_zone_are_given_to_eviction_one_after_the_other(world: World) -> None:
    world.add("d")
    world.time += GRACE
    for name in ("c", "d"):
        world.renew(name)
    await world.look("a")
    assert 0 < await world.look("b") <= 5
    assert (world.evicting("a"), world.evicting("b")) == (True, False)
    world.time += 10
    await world.look("b")
    assert world.evicting("b")


async def test_when_nobody_is_heard_of_evictions_stop_and_are_taken_back(world: World) -> None:
    world.time += GRACE
    await world.look("a")
    assert world.evicting("a")
    for name in ("b", "c"):
        await world.look(name)
    world.time += 5
    await world.look("a")
    assert [world.evicting(name) for name in "abc"] == [False] * 3


async def test_a_node_that_never_said_anything_gets_the_grace_of_a_start(world: World) -> None:
    world.put(NODES, node("new", ready=""))
    assert await world.look("new") == 60
    world.time += 60
    await world.look("new")
    conditions = {c["type"]: c["reason"] for c in world.rest.objects["nodes", "new"]["status"]["conditions"]}
    assert conditions["Ready"] == "NodeStatusNeverUpdated"
