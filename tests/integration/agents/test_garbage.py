"""Ownership on a real API server: background, foreground, orphan, and owners that are not where they should be."""

from __future__ import annotations

import secrets
from typing import Any

from agents.client.resources import CONFIGMAPS, DEPLOYMENTS, EVENTS, NODES, PODS, PRIORITYCLASSES, REPLICASETS
from apiserver.api.status import NotFound
from tests.integration.agents.plane import Plane, deployment, pod_spec

Obj = dict[str, Any]


def owned_by(owner: Obj, **changes: Any) -> list[Obj]:
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return [{**reference, **changes}]


def config_map(name: str, owners: list[Obj] | None = None, **meta: Any) -> Obj:
    return {"metadata": {"name": name, **({"ownerReferences": owners} if owners else {}), **meta}}


async def test_dependents_go_after_their_owner(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 2))
    await plane.until_rolled_out("web")
    await plane.delete(DEPLOYMENTS, "web")
    await plane.until_gone(DEPLOYMENTS, "web")

    async def empty() -> bool:
        return not await plane.list(REPLICASETS) and not await plane.list(PODS)

    await plane.until(empty, what="sets and pods gone")


async def test_in_the_foreground_dependents_go_before_their_owner(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 1))
    await plane.until_rolled_out("web")
    plane.fleet.lingers = lambda pod: pod["metadata"]["namespace"] == plane.namespace
    await plane.delete(DEPLOYMENTS, "web", propagation_policy="Foreground")

    async def pods_leave() -> bool:
        return all(pod["metadata"].get("deletionTimestamp") for pod in await plane.list(PODS))

    await plane.until(pods_leave, what="pods on their way out")
    for ref in (DEPLOYMENTS, REPLICASETS):
        [waiting] = await plane.list(ref)
        assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    [pod] = await plane.list(PODS)
    await plane.delete(PODS, pod["metadata"]["name"], grace_period_seconds=0)
    await plane.until_gone(DEPLOYMENTS, "web")
    assert await plane.list(REPLICASETS) == []


async def test_orphans_stay_and_forget_their_owner(plane: Plane) -> None:
    rs = {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec()},
        },
    }
    await plane.create(REPLICASETS, rs)

    async def made() -> bool:
        return len(await plane.list(PODS)) == 2

    await plane.until(made, what="two pods")
    await plane.delete(REPLICASETS, "web", propagation_policy="Orphan")
    await plane.until_gone(REPLICASETS, "web")
    pods = await plane.list(PODS)
    assert [pod["metadata"].get("ownerReferences") for pod in pods] == [None, None]


async def test_an_owner_that_never_existed_keeps_nothing_alive(plane: Plane) -> None:
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ghost", "uid": "no-such-uid"}}
    await plane.create(CONFIGMAPS, config_map("child", owned_by(ghost)))
    await plane.until_gone(CONFIGMAPS, "child")


async def test_an_owner_of_another_life_keeps_nothing_alive(plane: Plane) -> None:
    owner = await plane.create(CONFIGMAPS, config_map("owner"))
    await plane.create(CONFIGMAPS, config_map("child", owned_by(owner)))
    await plane.create(CONFIGMAPS, config_map("stranger", owned_by(owner, uid="of-an-earlier-life")))
    await plane.until_gone(CONFIGMAPS, "stranger")
    assert await plane.get(CONFIGMAPS, "child")


async def _is_there(plane: Plane, name: str) -> bool:
    try:
        await plane.rest.get(CONFIGMAPS, name, namespace="default")
    except NotFound:
        return False
    return True


async def test_an_owner_in_another_namespace_is_none_and_the_user_is_told(plane: Plane) -> None:
    await plane.until(lambda: _is_there(plane, "kube-root-ca.crt"), what="an object in another namespace")
    elsewhere = await plane.rest.get(CONFIGMAPS, "kube-root-ca.crt", namespace="default")
    child = await plane.create(CONFIGMAPS, config_map("child", owned_by({**CONFIGMAP, **elsewhere})))
    await plane.until_gone(CONFIGMAPS, "child")

    async def told() -> bool:
        events = [e for e in await plane.list(EVENTS) if e["reason"] == "OwnerRefInvalidNamespace"]
        return any(e["involvedObject"]["uid"] == child["metadata"]["uid"] for e in events)

    await plane.until(told, what="an event about the owner")


CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap"}


async def test_a_cluster_scoped_owner_may_own_in_any_namespace(plane: Plane) -> None:
    node = await plane.create(NODES, {"metadata": {"name": f"owner-{secrets.token_hex(3)}"}})
    await plane.create(CONFIGMAPS, config_map("child", owned_by(node)))
    await plane.create(CONFIGMAPS, config_map("probe", owned_by(node, uid="other")))
    await plane.until_gone(CONFIGMAPS, "probe")
    assert await plane.get(CONFIGMAPS, "child")
    await plane.delete(NODES, node["metadata"]["name"])
    await plane.until_gone(CONFIGMAPS, "child")


async def test_a_namespaced_owner_of_a_cluster_scoped_object_decides_nothing(plane: Plane) -> None:
    owner = await plane.create(CONFIGMAPS, config_map("owner"))
    name = f"odd-{secrets.token_hex(3)}"
    await plane.create(
        PRIORITYCLASSES, {"metadata": {"name": name, "ownerReferences": owned_by(owner, uid="gone")}, "value": 1}
    )
    await plane.create(CONFIGMAPS, config_map("probe", owned_by(owner, uid="gone")))
    await plane.until_gone(CONFIGMAPS, "probe")
    assert await plane.get(PRIORITYCLASSES, name)
    await plane.delete(PRIORITYCLASSES, name)


async def test_one_of_two_owners_is_enough_and_the_other_is_forgotten(plane: Plane) -> None:
    one, two = await plane.create(CONFIGMAPS, config_map("one")), await plane.create(CONFIGMAPS, config_map("two"))
    await plane.create(CONFIGMAPS, config_map("child", owned_by(one) + owned_by(two)))
    await plane.delete(CONFIGMAPS, "one")

    async def forgotten() -> bool:
        child = await plane.rest.get(CONFIGMAPS, "child", namespace=plane.namespace)
        return [o["name"] for o in child["metadata"]["ownerReferences"]] == ["two"]

    await plane.until(forgotten, what="the lost owner is forgotten")
    await plane.delete(CONFIGMAPS, "two")
    await plane.until_gone(CONFIGMAPS, "child")


async def test_what_lost_its_owner_while_nobody_collected_is_collected_afterwards(bare: Plane) -> None:
    async with bare.servers.controllers():
        owner = await bare.create(CONFIGMAPS, config_map("owner"))
        await bare.create(CONFIGMAPS, config_map("child", owned_by(owner)))
        probe = config_map("probe", owned_by(owner, uid="gone"))
        await bare.create(CONFIGMAPS, probe)
        await bare.until_gone(CONFIGMAPS, "probe")
    await bare.delete(CONFIGMAPS, "owner")
    assert await bare.get(CONFIGMAPS, "child")
    async with bare.servers.controllers():
        await bare.until_gone(CONFIGMAPS, "child")
