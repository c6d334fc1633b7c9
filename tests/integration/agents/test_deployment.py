"""Deployments on a real API server with the real controllers."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.client.resources import DEPLOYMENTS, EVENTS, PODS, REPLICASETS
from tests.integration.agents.fleet import is_ready
from tests.integration.agents.plane import REVISION, Plane, deployment, pod_spec

Obj = dict[str, Any]


def condition(obj: Obj, kind: str) -> Obj:
    return next((c for c in obj.get("status", {}).get("conditions", ()) if c["type"] == kind), {})


def told(obj: Obj, kind: str) -> tuple[str, str, str]:
    found = condition(obj, kind)
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def image(name: str) -> Obj:
    return {"spec": {"template": {"spec": pod_spec(name)}}}


async def test_a_deployment_gets_its_set_and_its_pods(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 3))
    done = await plane.until_rolled_out("web")
    [rs] = await plane.list(REPLICASETS)
    hashed = rs["metadata"]["labels"]["pod-template-hash"]
    assert rs["metadata"]["name"] == f"web-{hashed}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hashed}
    assert done["metadata"]["annotations"][REVISION] == rs["metadata"]["annotations"][REVISION] == "1"
    assert told(done, "Available") == (
        "True", "MinimumReplicasAvailable", "Deployment has minimum availability.",
    )  # fmt: skip
    assert told(done, "Progressing") == (
        "True", "NewReplicaSetAvailable", f'ReplicaSet "web-{hashed}" has successfully progressed.',
    )  # fmt: skip
    assert done["metadata"]["generation"] == 1
    pods = await plane.list(PODS)
    assert {len(pods), *(p["metadata"]["labels"]["pod-template-hash"] for p in pods)} == {3, hashed}
    assert all(p["metadata"]["name"].startswith(rs["metadata"]["name"] + "-") for p in pods)


async def test_a_rolling_update_stays_within_its_bounds_and_can_be_undone(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 4, strategy=_rolling(1, 1)))
    await plane.until_rolled_out("web")
    seen: list[tuple[int, int]] = []

    async def look() -> None:
        while True:
            pods = await plane.active_pods()
            seen.append((len(pods), sum(is_ready(p) for p in pods)))
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    await plane.patch(DEPLOYMENTS, "web", image("v2"))
    await plane.until_rolled_out("web")
    sets = await plane.sets()
    assert {revision: rs["spec"]["replicas"] for revision, rs in sets.items()} == {1: 0, 2: 4}
    old_template = {k: v for k, v in sets[1]["spec"]["template"].items() if k == "spec"}
    await plane.patch(DEPLOYMENTS, "web", {"spec": {"template": old_template}})
    done = await plane.until_rolled_out("web")
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    sets = await plane.sets()
    assert {revision: rs["spec"]["replicas"] for revision, rs in sets.items()} == {2: 0, 3: 4}
    assert sets[3]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert done["metadata"]["annotations"][REVISION] == "3"
    assert all(ready >= 3 for _, ready in seen), seen
    assert all(active <= 6 for active, _ in seen), seen


def _rolling(surge: Any, unavailable: Any) -> Obj:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


async def test_scaling_changes_the_set_and_not_the_revision(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 1))
    await plane.until_rolled_out("web")
    scale = await plane.rest.get(DEPLOYMENTS, "web", namespace=plane.namespace, subresource="scale")
    await plane.rest.update(DEPLOYMENTS, {**scale, "spec": {"replicas": 5}}, subresource="scale")
    await plane.until_rolled_out("web")
    await plane.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 2}})
    await plane.until_rolled_out("web")
    sets = await plane.sets()
    assert list(sets) == [1]
    assert sets[1]["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "2"

    async def told_of() -> bool:
        messages = {
            e["message"].partition(" from ")[2]
            for e in await plane.list(EVENTS)
            if e["source"]["component"] == "deployment-controller"
        }
        return {"0 to 1", "1 to 5", "5 to 2"} <= messages

    await plane.until(told_of, what="events of the scaling")


async def test_a_pod_that_is_deleted_is_made_again(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 2))
    await plane.until_rolled_out("web")
    lost, kept = await plane.list(PODS)
    await plane.delete(PODS, lost["metadata"]["name"])

    async def again() -> bool:
        names = {p["metadata"]["name"] for p in await plane.active_pods() if is_ready(p)}
        return len(names) == 2 and lost["metadata"]["name"] not in names and kept["metadata"]["name"] in names

    await plane.until(again, what="another pod in its place")


async def test_a_paused_deployment_scales_but_rolls_nothing_out_until_it_is_resumed(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 1))
    await plane.until_rolled_out("web")
    await plane.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    await plane.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 2, **image("v2")["spec"]}})

    async def scaled() -> bool:
        [rs] = await plane.list(REPLICASETS)
        web = await plane.get(DEPLOYMENTS, "web") or {}
        return rs.get("status", {}).get("availableReplicas") == 2 and told(web, "Progressing")[1] == "DeploymentPaused"

    await plane.until(scaled, what="scaled while paused")
    await plane.patch(DEPLOYMENTS, "web", {"spec": {"paused": False}})
    await plane.until_rolled_out("web")
    assert {revision: rs["spec"]["replicas"] for revision, rs in (await plane.sets()).items()} == {1: 0, 2: 2}


async def test_recreate_ends_all_old_pods_before_the_first_new_one(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 2, strategy={"type": "Recreate"}))
    await plane.until_rolled_out("web")
    plane.fleet.lingers = lambda pod: pod["metadata"]["namespace"] == plane.namespace
    await plane.patch(DEPLOYMENTS, "web", image("v2"))

    async def ending() -> bool:
        pods = await plane.list(PODS)
        return all(p["metadata"].get("deletionTimestamp") for p in pods)

    await plane.until(ending, what="all old pods on their way out")
    assert list(await plane.sets()) == [1]
    plane.fleet.lingers = lambda pod: False
    for pod in await plane.list(PODS):
        await plane.delete(PODS, pod["metadata"]["name"], grace_period_seconds=0)
    await plane.until_rolled_out("web")
    assert {revision: rs["spec"]["replicas"] for revision, rs in (await plane.sets()).items()} == {1: 0, 2: 2}


async def test_a_rollout_that_does_not_move_misses_its_deadline_and_recovers(plane: Plane) -> None:
    stuck = {"v2"}
    plane.fleet.gets_ready = lambda pod: pod["spec"]["containers"][0]["image"] not in stuck
    await plane.create(DEPLOYMENTS, deployment("web", 1, progressDeadlineSeconds=2))
    await plane.until_rolled_out("web")
    await plane.patch(DEPLOYMENTS, "web", image("v2"))

    async def missed() -> bool:
        web = await plane.get(DEPLOYMENTS, "web") or {}
        return told(web, "Progressing")[:2] == ("False", "ProgressDeadlineExceeded")

    await plane.until(missed, what="the deadline is missed")
    web = await plane.get(DEPLOYMENTS, "web") or {}
    assert told(web, "Available")[0] == "True"
    stuck.clear()
    for pod in await plane.list(PODS):
        if not is_ready(pod):
            await plane.fleet.report(pod, ready=True)
    done = await plane.until_rolled_out("web")
    assert told(done, "Progressing")[0] == "True"


async def test_old_sets_beyond_the_history_limit_are_removed(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 1, revisionHistoryLimit=1))
    for version in ("v1", "v2", "v3"):
        await plane.patch(DEPLOYMENTS, "web", image(version))
        await plane.until_rolled_out("web")

    async def tidy() -> bool:
        return set(await plane.sets()) == {2, 3}

    await plane.until(tidy, what="one old set is left")


async def test_a_name_that_is_taken_is_counted_and_another_one_chosen(plane: Plane) -> None:
    first = deployment("web", 1)
    await plane.create(DEPLOYMENTS, first)
    await plane.until_rolled_out("web")
    [rs] = await plane.list(REPLICASETS)
    await plane.delete(DEPLOYMENTS, "web", propagation_policy="Foreground")
    await plane.until_gone(DEPLOYMENTS, "web")
    squatter = {
        "metadata": {"name": rs["metadata"]["name"]},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod_spec()},
        },
    }
    await plane.create(REPLICASETS, squatter)
    await plane.create(DEPLOYMENTS, first)
    done = await plane.until_rolled_out("web")
    assert done["status"]["collisionCount"] == 1
    assert len(await plane.list(REPLICASETS)) == 2


async def test_sets_and_pods_are_orphaned_and_taken_over_again(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 2))
    await plane.until_rolled_out("web")
    before = {p["metadata"]["uid"] for p in await plane.list(PODS)}
    await plane.delete(DEPLOYMENTS, "web", propagation_policy="Orphan")
    await plane.until_gone(DEPLOYMENTS, "web")
    [rs] = await plane.list(REPLICASETS)
    assert not rs["metadata"].get("ownerReferences")
    await plane.create(DEPLOYMENTS, deployment("web", 2))
    await plane.until_rolled_out("web")
    [rs] = await plane.list(REPLICASETS)
    assert rs["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert {p["metadata"]["uid"] for p in await plane.list(PODS)} == before


async def test_a_pod_whose_labels_change_is_let_go_and_replaced(plane: Plane) -> None:
    await plane.create(DEPLOYMENTS, deployment("web", 1))
    await plane.until_rolled_out("web")
    [pod] = await plane.list(PODS)
    await plane.patch(PODS, pod["metadata"]["name"], {"metadata": {"labels": {"app": "debug"}}})

    async def replaced() -> bool:
        pods = {p["metadata"]["name"]: p for p in await plane.list(PODS)}
        free = pods[pod["metadata"]["name"]]
        return len(pods) == 2 and not free["metadata"].get("ownerReferences")

    await plane.until(replaced, what="the pod is let go and another one made")
