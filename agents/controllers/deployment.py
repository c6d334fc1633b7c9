"""Rolls a Deployment's template out through ReplicaSets.

Each reconcile looks at the whole: the sets that the Deployment controls, the pods they report. It makes at most one
step of the rollout; the change that the step causes brings the next reconcile. Upstream: pkg/controller/deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import DEPLOYMENTS, PODS, REPLICASETS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import deployment_decide as decide
from agents.controllers import deployment_status as progress
from agents.controllers import pods as p
from agents.controllers import revisions
from agents.controllers.ownership import BY_OWNER, ORPHANS, by_controller, controller_of, orphan, owned_by, selects
from agents.controllers.writing import claim
from apiserver.api.status import AlreadyExists, Conflict, NotFound, StatusError

Obj = dict[str, Any]

CREATE_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class _Rollout:
    """One reconcile: what was found, and what there is to tell about it."""

    deployment: Obj
    new: Obj | None
    olds: Sequence[Obj]
    news: progress.News | None = None
    rolls: bool = True


class DeploymentController:
    name = "deployment"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._deployments = agent.informer(DEPLOYMENTS)
        self._sets = agent.informer(REPLICASETS)
        self._sets.add_index(BY_OWNER, by_controller)
        self._sets.add_index(ORPHANS, orphan)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_OWNER, by_controller)
        self._recorder = recorder.named("deployment-controller")

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {DEPLOYMENTS: _own_key, REPLICASETS: self._of_set, PODS: self._of_pod}

    def _of_set(self, delta: Delta) -> Iterable[Key]:
        for obj in (delta.old, delta.new):
            if obj is None:
                continue
            reference = controller_of(obj)
            namespace = obj["metadata"].get("namespace", "")
            if reference is None:
                matching = (d for d in self._deployments.list(namespace) if selects(d, obj))
                yield from (Key(namespace, d["metadata"]["name"]) for d in matching)
            elif reference["kind"] == "Deployment":
                yield Key(namespace, reference["name"])

    def _of_pod(self, delta: Delta) -> Iterable[Key]:
        """Recreate waits until the old pods are gone or finished, so it must hear of their end."""
        if delta.old is None or not (delta.new is None or p.is_finished(delta.new)):
            return
        reference = controller_of(delta.old)
        if reference is None or reference["kind"] != "ReplicaSet":
            return
        namespace = delta.old["metadata"]["namespace"]
        rs = self._sets.get(namespace, reference["name"])
        owner = controller_of(rs) if rs else None
        if owner is not None and owner["kind"] == "Deployment":
            yield Key(namespace, owner["name"])

    async def reconcile(self, key: Key) -> Outcome:
        deployment = self._deployments.get(key.namespace, key.name)
        if deployment is None:
            return Done()
        sets = await claim(
            self._rest, self._sets, REPLICASETS, deployment, DEPLOYMENTS, may_adopt=lambda rs: not p.is_terminating(rs)
        )
        new = revisions.find_new(deployment, sets)
        rollout = _Rollout(deployment, new, [rs for rs in sets if rs is not new])
        if p.is_terminating(deployment):
            rollout.rolls = False
        elif await self._sync_new(rollout) and not await self._resized(rollout, sets):
            await self._roll_out(rollout)
        return await self._write_status(rollout)

    async def _sync_new(self, rollout: _Rollout) -> bool:
        """The new set takes the Deployment's annotations and, where it became the new one again, the next revision.
        False when it was written: the next step comes with that change."""
        new, deployment = rollout.new, rollout.deployment
        if new is None:
            return True
        before = new["metadata"].get("annotations", {})
        annotations = revisions.revised(deployment, before, revisions.next_revision(rollout.olds))
        minimum = deployment["spec"].get("minReadySeconds", 0)
        rollout.news = progress.News(progress.SET_FOUND, f'Found new replica set "{new["metadata"]["name"]}"')
        if annotations == before and new["spec"].get("minReadySeconds", 0) == minimum:
            return True
        metadata = {**new["metadata"], "annotations": annotations}
        wanted = {**new, "metadata": metadata, "spec": {**new["spec"], "minReadySeconds": minimum}}
        rollout.new = await self._rest.update(REPLICASETS, wanted)
        self._sets.learn(rollout.new)
        return False

    async def _resized(self, rollout: _Rollout, sets: Sequence[Obj]) -> bool:
        """A pause or a change of size: the sets keep their proportions, and the rollout does not move on."""
        deployment = rollout.deployment
        paused = bool(deployment["spec"].get("paused"))
        if not paused and not decide.is_scaling_event(deployment, sets):
            return False
        rollout.rolls = False
        await self._apply(deployment, decide.scale(deployment, sets))
        if paused:
            await self._clean_up(deployment, rollout.olds)
        return True

    async def _roll_out(self, rollout: _Rollout) -> None:
        """One step."""
        deployment, olds = rollout.deployment, rollout.olds
        if not decide.is_rolling(deployment):
            stop = [decide.Scale(rs, 0) for rs in olds if decide.wanted(rs)]
            await self._apply(deployment, stop)
            if stop or any(self._has_pods(rs) for rs in olds):
                return
        if rollout.new is None:
            await self._create_new(rollout)
        new = rollout.new
        if new is None:
            return
        size = decide.new_set_size(deployment, olds, decide.wanted(new))
        if size != decide.wanted(new):
            await self._apply(deployment, [decide.Scale(new, size)])
        elif decide.is_rolling(deployment) and await self._apply(
            deployment, decide.scale_down_olds(deployment, new, olds)
        ):
            return
        elif progress.is_complete(deployment, progress.counts(deployment, [new, *olds], new)):
            await self._clean_up(deployment, olds)

    def _has_pods(self, rs: Obj) -> bool:
        return any(not p.is_finished(pod) for pod in self._pods.by_index(BY_OWNER, rs["metadata"]["uid"]))

    async def _create_new(self, rollout: _Rollout) -> None:
        """The set of the present template. After a name clash none: the collision was counted, the next try differs."""
        deployment = rollout.deployment
        size = decide.new_set_size(deployment, rollout.olds, 0)
        most = deployment["spec"].get("replicas", 1) + decide.max_surge(deployment)
        wanted = revisions.new_set(deployment, olds=rollout.olds, replicas=size, most=most)
        name = wanted["metadata"]["name"]
        try:
            made = await self._rest.create(REPLICASETS, wanted, namespace=deployment["metadata"]["namespace"])
        except AlreadyExists:
            await self._resolve_clash(rollout, wanted)
        except StatusError as err:
            self._refused(rollout, name, err)
        else:
            self._sets.learn(made)
            self._scaled(deployment, made, 0, size)
            rollout.new = made
            rollout.news = progress.News(progress.SET_CREATED, f'Created new replica set "{name}"')

    def _refused(self, rollout: _Rollout, name: str, error: StatusError) -> None:
        """Told to users; an unreachable API server is the runtime's business, and a dying namespace needs no sets."""
        if isinstance(error, ApiUnavailable) or any(c.reason == "NamespaceTerminating" for c in error.causes):
            raise error
        message = f'Failed to create new replica set "{name}": {error.message}'
        rollout.news = progress.News(progress.SET_FAILED, message)
        self._recorder.event(rollout.deployment, "Warning", progress.SET_FAILED, message)

    async def _resolve_clash(self, rollout: _Rollout, wanted: Obj) -> None:
        meta = wanted["metadata"]
        existing = await self._rest.get(REPLICASETS, meta["name"], namespace=meta["namespace"])
        self._sets.learn(existing)
        deployment = rollout.deployment
        if owned_by(existing, deployment["metadata"]["uid"]) and revisions.same_template(
            existing["spec"]["template"], wanted["spec"]["template"]
        ):
            rollout.new = existing
            return
        status = deployment.get("status", {})
        rollout.deployment = {**deployment, "status": {**status, "collisionCount": status.get("collisionCount", 0) + 1}}

    async def _apply(self, deployment: Obj, scales: Iterable[decide.Scale]) -> bool:
        """True when the size of a set was changed."""
        most = deployment["spec"].get("replicas", 1) + decide.max_surge(deployment)
        changed = False
        for scale in scales:
            rs, before = scale.replica_set, decide.wanted(scale.replica_set)
            annotations = revisions.sized(deployment, rs["metadata"].get("annotations", {}), most)
            if before == scale.replicas and annotations == rs["metadata"].get("annotations"):
                continue
            metadata = {**rs["metadata"], "annotations": annotations}
            wanted = {**rs, "metadata": metadata, "spec": {**rs["spec"], "replicas": scale.replicas}}
            self._sets.learn(await self._rest.update(REPLICASETS, wanted))
            self._scaled(deployment, rs, before, scale.replicas)
            changed = changed or before != scale.replicas
        return changed

    def _scaled(self, deployment: Obj, rs: Obj, before: int, after: int) -> None:
        if before == after:
            return
        way, name = "up" if after > before else "down", rs["metadata"]["name"]
        message = f"Scaled {way} replica set {name} from {before} to {after}"
        self._recorder.event(deployment, "Normal", "ScalingReplicaSet", message)

    async def _clean_up(self, deployment: Obj, olds: Sequence[Obj]) -> None:
        for rs in decide.history_to_remove(deployment, olds):
            meta = rs["metadata"]
            try:
                await self._rest.delete(REPLICASETS, meta["name"], namespace=meta["namespace"], uid=meta["uid"])
            except (NotFound, Conflict):
                continue

    async def _write_status(self, rollout: _Rollout) -> Outcome:
        """Status and revision go in one write: a change of annotations alone would count as one of the generation."""
        deployment = rollout.deployment
        sets = self._sets.by_index(BY_OWNER, deployment["metadata"]["uid"])
        new = revisions.find_new(deployment, sets)
        status, remaining = progress.status(
            deployment, sets, new, datetime.now(UTC), news=rollout.news, rolls=rollout.rolls
        )
        wanted = {**deployment, "metadata": _revised(deployment["metadata"], new), "status": status}
        if wanted != self._deployments.get(deployment["metadata"]["namespace"], deployment["metadata"]["name"]):
            try:
                self._deployments.learn(await self._rest.update(DEPLOYMENTS, wanted, subresource="status"))
            except NotFound:
                return Done()
        if rollout.news is not None and rollout.news.reason == progress.SET_FAILED:
            return RetryAfter(CREATE_AGAIN_SECONDS, rollout.news.message)
        return RetryAfter(remaining + 1.0, "progress deadline") if remaining else Done()


def _revised(metadata: Obj, new: Obj | None) -> Obj:
    """The Deployment's annotation names the revision of its new set."""
    revision = new["metadata"].get("annotations", {}).get(revisions.REVISION) if new is not None else None
    annotations = metadata.get("annotations", {})
    if revision is None or annotations.get(revisions.REVISION) == revision:
        return metadata
    return {**metadata, "annotations": {**annotations, revisions.REVISION: revision}}


def _own_key(delta: Delta) -> Iterable[Key]:
    meta = delta.object["metadata"]
    yield Key(meta.get("namespace", ""), meta["name"])
