"""Rolls a Deployment's template out through ReplicaSets.

Each reconcile looks at the whole: the sets that the Deployment controls, the pods they report. It makes at most one
step of the rollout; the change that the step causes brings the next reconcile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from apiserver.api.selectors import LabelSelector

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import DEPLOYMENTS, PODS, REPLICASETS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import deployment_decide as decide
from agents.controllers import deployment_status as progress
from agents.controllers import pods as p
from agents.controllers.replicaset import BY_OWNER, ORPHANS, by_controller, orphan
from agents.controllers.writing import drop_owner, take_over, write_status
from apiserver.api.status import AlreadyExists, Forbidden, Invalid, NotFound

Obj = dict[str, Any]


class DeploymentController:
    name = "deployment"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._deployments = agent.informer(DEPLOYMENTS)
        self._sets = agent.informer(REPLICASETS)
        self._sets.add_index(BY_OWNER, by_controller)
        self._sets.add_index(ORPHANS, orphan)
        self._pods = agent.informer(PODS)
        self._recorder = recorder

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {DEPLOYMENTS: _own_key, REPLICASETS: self._of_set, PODS: self._of_pod}

    def _of_set(self, delta: Delta) -> Iterable[Key]:
        for obj in (delta.old, delta.new):
            if obj is None:
                continue
            reference = p.controller_of(obj)
            namespace = obj["metadata"].get("namespace", "")
            if reference is not None:
                if reference["kind"] == "Deployment":
                    yield Key(namespace, reference["name"])
            else:
                labels = obj["metadata"].get("labels", {})
                for deployment in self._deployments.list(namespace):
                    if _selector(deployment).matches(labels):
                        yield Key(namespace, deployment["metadata"]["name"])

    def _of_pod(self, delta: Delta) -> Iterable[Key]:
        """Recreate waits until the old pods are gone, so it must hear of their end."""
        if delta.new is not None or delta.old is None:
            return
        reference = p.controller_of(delta.old)
        if reference is None or reference["kind"] != "ReplicaSet":
            return
        rs = self._sets.get(delta.old["metadata"]["namespace"], reference["name"])
        owner = p.controller_of(rs) if rs else None
        if owner is not None and owner["kind"] == "Deployment":
            yield Key(delta.old["metadata"]["namespace"], owner["name"])

    async def reconcile(self, key: Key) -> Outcome:
        deployment = self._deployments.get(key.namespace, key.name)
        if deployment is None:
            return Done()
        sets = await self._claim(deployment)
        if p.is_terminating(deployment):
            return await self._write_status(deployment, sets, "")
        failure = ""
        if deployment["spec"].get("paused") or decide.is_scaling_event(deployment, sets):
            await self._apply(deployment, decide.scale_proportionally(deployment, sets))
        else:
            failure = await self._roll_out(deployment, sets)
        latest = self._deployments.get(key.namespace, key.name) or deployment
        return await self._write_status(latest, self._owned(deployment), failure)

    def _owned(self, deployment: Obj) -> list[Obj]:
        return list(self._sets.by_index(BY_OWNER, deployment["metadata"]["uid"]))

    async def _claim(self, deployment: Obj) -> list[Obj]:
        selector = _selector(deployment)
        meta = deployment["metadata"]
        for rs in self._owned(deployment):
            if not selector.matches(rs["metadata"].get("labels", {})) and not p.is_terminating(deployment):
                await drop_owner(self._rest, self._sets, REPLICASETS, rs, meta["uid"])
        if not p.is_terminating(deployment):
            for rs in list(self._sets.by_index(ORPHANS, meta["namespace"])):
                if selector.matches(rs["metadata"].get("labels", {})) and not p.is_terminating(rs):
                    reference = p.owner_reference(deployment, "apps/v1", "Deployment")
                    await take_over(self._rest, self._sets, REPLICASETS, rs, reference)
        return self._owned(deployment)

    async def _roll_out(self, deployment: Obj, sets: Sequence[Obj]) -> str:
        """One step. Returns the reason why the new set could not be made, or an empty string."""
        new = decide.find_new(deployment, sets)
        olds = [rs for rs in sets if new is None or rs["metadata"]["uid"] != new["metadata"]["uid"]]
        if not decide.is_rolling(deployment):
            await self._apply(deployment, [decide.Scale(rs, 0) for rs in olds if decide.wanted(rs)])
            if any(decide.wanted(rs) or self._has_pods(rs) for rs in olds):
                return ""
        if new is None:
            try:
                new = await self._create_new(deployment, olds)
            except (Forbidden, Invalid) as err:
                return err.message
            if new is None:
                return ""
        else:
            new = await self._annotate_new(deployment, new, olds)
        size = decide.new_set_size(deployment, olds, decide.wanted(new))
        if size != decide.wanted(new):
            await self._apply(deployment, [decide.Scale(new, size)])
            return ""
        if decide.is_rolling(deployment):
            await self._apply(deployment, decide.scale_down_olds(deployment, new, olds))
        if progress.is_complete(deployment, progress.counts(deployment, [new, *olds], new)):
            await self._clean_up(deployment, olds)
        return ""

    def _has_pods(self, rs: Obj) -> bool:
        return any(p.phase(pod) not in ("Succeeded", "Failed") for pod in self._pods_of(rs))

    def _pods_of(self, rs: Obj) -> Iterable[Obj]:
        return self._pods.by_index(BY_OWNER, rs["metadata"]["uid"])

    async def _create_new(self, deployment: Obj, olds: Sequence[Obj]) -> Obj | None:
        """The set of the present template. None after a name clash: the collision was counted, the next try differs."""
        size = decide.new_set_size(deployment, olds, 0)
        wanted = decide.new_set(deployment, olds=olds, replicas=size)
        try:
            made = await self._rest.create(REPLICASETS, wanted, namespace=deployment["metadata"]["namespace"])
        except AlreadyExists:
            return await self._resolve_clash(deployment, wanted)
        self._sets.learn(made)
        self._scaled(deployment, made, 0, size)
        await self._write_revision(deployment, made)
        return made

    async def _resolve_clash(self, deployment: Obj, wanted: Obj) -> Obj | None:
        existing = await self._rest.get(
            REPLICASETS, wanted["metadata"]["name"], namespace=deployment["metadata"]["namespace"]
        )
        self._sets.learn(existing)
        if p.owned_by(existing, deployment["metadata"]["uid"]) and decide.same_template(
            existing["spec"]["template"], wanted["spec"]["template"]
        ):
            return existing
        collisions = deployment.get("status", {}).get("collisionCount", 0) + 1
        status = {**deployment.get("status", {}), "collisionCount": collisions}
        await write_status(self._rest, self._deployments, DEPLOYMENTS, deployment, status)
        return None

    async def _annotate_new(self, deployment: Obj, new: Obj, olds: Sequence[Obj]) -> Obj:
        """A set that became the new one again (a rollback) takes the next revision."""
        annotations = decide.set_annotations(deployment, new, revision=decide.next_revision(olds))
        minimum = deployment["spec"].get("minReadySeconds", 0)
        if annotations != new["metadata"].get("annotations") or new["spec"].get("minReadySeconds", 0) != minimum:
            wanted = {
                **new,
                "metadata": {**new["metadata"], "annotations": annotations},
                "spec": {**new["spec"], "minReadySeconds": minimum},
            }
            new = await self._rest.update(REPLICASETS, wanted)
            self._sets.learn(new)
        await self._write_revision(deployment, new)
        return new

    async def _write_revision(self, deployment: Obj, new: Obj) -> None:
        revision = new["metadata"].get("annotations", {}).get(decide.REVISION, "")
        meta = deployment["metadata"]
        if meta.get("annotations", {}).get(decide.REVISION) == revision:
            return
        patch = {"metadata": {"annotations": {decide.REVISION: revision}}}
        patched = await self._rest.patch(DEPLOYMENTS, meta["name"], patch, namespace=meta["namespace"])
        self._deployments.learn(patched)

    async def _apply(self, deployment: Obj, scales: Iterable[decide.Scale]) -> None:
        for scale in scales:
            rs = scale.replica_set
            before = decide.wanted(rs)
            annotations = decide.set_annotations(deployment, rs)
            if before == scale.replicas and annotations == rs["metadata"].get("annotations"):
                continue
            wanted = {
                **rs,
                "metadata": {**rs["metadata"], "annotations": annotations},
                "spec": {**rs["spec"], "replicas": scale.replicas},
            }
            self._sets.learn(await self._rest.update(REPLICASETS, wanted))
            if before != scale.replicas:
                self._scaled(deployment, rs, before, scale.replicas)

    def _scaled(self, deployment: Obj, rs: Obj, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        self._recorder.event(
            deployment,
            "Normal",
            "ScalingReplicaSet",
            f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {after}",
        )

    async def _clean_up(self, deployment: Obj, olds: Sequence[Obj]) -> None:
        for rs in decide.history_to_remove(deployment, olds):
            meta = rs["metadata"]
            try:
                await self._rest.delete(REPLICASETS, meta["name"], namespace=meta["namespace"], uid=meta["uid"])
            except NotFound:
                continue

    async def _write_status(self, deployment: Obj, sets: Sequence[Obj], failure: str) -> Outcome:
        new = decide.find_new(deployment, sets)
        status, remaining = progress.status(deployment, sets, new, datetime.now(UTC), failure=failure)
        await write_status(self._rest, self._deployments, DEPLOYMENTS, deployment, status)
        if failure:
            return RetryAfter(5.0, failure)
        return RetryAfter(remaining + 1.0, "progress deadline") if remaining else Done()


def _selector(deployment: Obj) -> LabelSelector:
    return LabelSelector.from_object(deployment["spec"]["selector"])


def _own_key(delta: Delta) -> Iterable[Key]:
    meta = delta.object["metadata"]
    yield Key(meta.get("namespace", ""), meta["name"])
