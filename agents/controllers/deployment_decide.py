"""What a Deployment wants of its ReplicaSets: revisions, rollouts, scaling, status. Pure.

Upstream: pkg/controller/deployment. The rule of a rolling update: never more than replicas + maxSurge pods, never fewer
than replicas - maxUnavailable available ones.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.controllers import pods as p

Obj = dict[str, Any]

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)
_HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Obj, collisions: int) -> str:
    """A short safe string that names a template; `collisions` gives another one when a name was taken."""
    raw = orjson.dumps(template, option=orjson.OPT_SORT_KEYS) + (str(collisions).encode() if collisions else b"")
    digest = hashlib.sha256(raw).digest()
    return "".join(_HASH_LETTERS[b % len(_HASH_LETTERS)] for b in digest[:10])


def same_template(a: Obj, b: Obj) -> bool:
    """Equal but for the hash label."""
    return _without_hash(a) == _without_hash(b)


def _without_hash(template: Obj) -> Obj:
    meta = dict(template.get("metadata", {}))
    labels = {k: v for k, v in meta.get("labels", {}).items() if k != HASH_LABEL}
    meta["labels"] = labels
    meta.pop("creationTimestamp", None)
    return {**template, "metadata": meta}


def find_new(deployment: Obj, sets: Sequence[Obj]) -> Obj | None:
    """The ReplicaSet of the present template; the oldest where there are several."""
    matching = [rs for rs in sets if same_template(rs["spec"]["template"], deployment["spec"]["template"])]
    return min(matching, key=lambda rs: (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]), default=None)


def revision_of(obj: Obj) -> int:
    text = obj["metadata"].get("annotations", {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def next_revision(olds: Sequence[Obj]) -> int:
    return max((revision_of(rs) for rs in olds), default=0) + 1


def new_set(deployment: Obj, *, olds: Sequence[Obj], replicas: int) -> Obj:
    """The ReplicaSet to create for the present template."""
    spec = deployment["spec"]
    collisions = deployment.get("status", {}).get("collisionCount", 0)
    hashed = template_hash(spec["template"], collisions)
    template_meta = dict(spec["template"].get("metadata", {}))
    template_meta["labels"] = {**template_meta.get("labels", {}), HASH_LABEL: hashed}
    selector = dict(spec["selector"])
    selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH_LABEL: hashed}
    meta = deployment["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{hashed}",
            "namespace": meta["namespace"],
            "labels": template_meta["labels"],
            "annotations": set_annotations(deployment, None, revision=next_revision(olds)),
            "ownerReferences": [p.owner_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector,
            "template": {**spec["template"], "metadata": template_meta},
        },
    }


def set_annotations(deployment: Obj, replica_set: Obj | None, *, revision: int | None = None) -> dict[str, str]:
    """The annotations a ReplicaSet shall have: the Deployment's, its revision, and what scaling was planned for."""
    replicas = deployment["spec"].get("replicas", 1)
    given = deployment["metadata"].get("annotations", {})
    before = (replica_set or {"metadata": {}})["metadata"].get("annotations", {})
    made = {**before, **{k: v for k, v in given.items() if k not in _NOT_COPIED}}
    if revision is not None:
        old = before.get(REVISION)
        if old and int(old) < revision:
            history = [r for r in before.get(REVISION_HISTORY, "").split(",") if r]
            made[REVISION_HISTORY] = ",".join([*history, old])
        if not old or int(old) < revision:
            made[REVISION] = str(revision)
    made[DESIRED] = str(replicas)
    made[MAX_REPLICAS] = str(replicas + max_surge(deployment))
    return made


def _resolve(value: Any, replicas: int, *, up: bool) -> int:
    """An absolute number or a percentage of the replicas."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * replicas / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)


def is_rolling(deployment: Obj) -> bool:
    kind: str = deployment["spec"].get("strategy", {}).get("type", "RollingUpdate")
    return kind == "RollingUpdate"


def _fenceposts(deployment: Obj) -> tuple[int, int]:
    """(surge, unavailable), resolved; never both 0, or a rollout could not move."""
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
    replicas = deployment["spec"].get("replicas", 1)
    surge = _resolve(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def max_surge(deployment: Obj) -> int:
    return _fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Obj) -> int:
    replicas = int(deployment["spec"].get("replicas", 1))
    if not is_rolling(deployment) or replicas == 0:
        return 0
    return min(_fenceposts(deployment)[1], replicas)


def wanted(rs: Obj) -> int:
    return int(rs["spec"].get("replicas", 0))


def _observed(rs: Obj, field: str) -> int:
    return int(rs.get("status", {}).get(field, 0))


@dataclass(frozen=True, slots=True)
class Scale:
    """Set one ReplicaSet's replicas."""

    replica_set: Obj
    replicas: int


def new_set_size(deployment: Obj, olds: Sequence[Obj], current: int) -> int:
    """How many replicas the new set may have now."""
    replicas = int(deployment["spec"].get("replicas", 1))
    if not is_rolling(deployment):
        return replicas
    total = sum(wanted(rs) for rs in olds) + current
    room = replicas + max_surge(deployment) - total
    if room <= 0:
        return min(current, replicas) if current > replicas else current
    return current + min(room, replicas - current) if current < replicas else replicas


def is_scaling_event(deployment: Obj, sets: Sequence[Obj]) -> bool:
    """`spec.replicas` changed since the sets were last sized."""
    replicas = str(deployment["spec"].get("replicas", 1))
    return any(
        wanted(rs) > 0 and rs["metadata"].get("annotations", {}).get(DESIRED, replicas) != replicas for rs in sets
    )


def scale_proportionally(deployment: Obj, sets: Sequence[Obj]) -> list[Scale]:
    """Spread a change of `spec.replicas` over the sets that are in use, each in proportion to its size.

    Sets that keep their size are named too: their annotations must say that they were sized for this number."""
    active = [rs for rs in sets if wanted(rs) > 0]
    replicas = int(deployment["spec"].get("replicas", 1))
    new = find_new(deployment, sets)
    if len(active) <= 1:
        target = active or ([new] if new is not None else [])
        return [Scale(rs, replicas) for rs in target]
    if not is_rolling(deployment):
        return [Scale(rs, replicas if rs is new else wanted(rs)) for rs in active]
    allowed = replicas + max_surge(deployment) if replicas > 0 else 0
    total = sum(wanted(rs) for rs in active)
    return _proportional(active, allowed - total, allowed)


def _proportional(active: Sequence[Obj], to_add: int, allowed: int) -> list[Scale]:
    growing = to_add > 0
    ordered = sorted(active, key=lambda rs: rs["metadata"]["creationTimestamp"], reverse=growing)
    ordered = sorted(ordered, key=wanted, reverse=True)
    sizes, left = {}, to_add
    for rs in ordered:
        share = _share(rs, allowed, left)
        sizes[rs["metadata"]["uid"]] = max(0, wanted(rs) + share)
        left -= share
    if left and ordered:
        largest = ordered[0]["metadata"]["uid"]
        sizes[largest] = max(0, sizes[largest] + left)
    return [Scale(rs, sizes[rs["metadata"]["uid"]]) for rs in ordered]


def _share(rs: Obj, allowed: int, left: int) -> int:
    """A set's part of the change: what its size would be at the new total, less what it is."""
    if not left:
        return 0
    planned_for = int(rs["metadata"].get("annotations", {}).get(MAX_REPLICAS) or allowed) or 1
    exact = wanted(rs) * allowed / planned_for - wanted(rs)
    fraction = round(exact)
    return min(fraction, left) if left > 0 else max(fraction, left)


def scale_down_olds(deployment: Obj, new: Obj, olds: Sequence[Obj]) -> list[Scale]:
    """Take old pods away: first those that are not well, then as many as availability allows."""
    old_total = sum(wanted(rs) for rs in olds)
    if old_total == 0:
        return []
    replicas = int(deployment["spec"].get("replicas", 1))
    floor = replicas - max_unavailable(deployment)
    new_unavailable = wanted(new) - _observed(new, "availableReplicas")
    removable = old_total + wanted(new) - floor - new_unavailable
    if removable <= 0:
        return []
    sizes = {rs["metadata"]["uid"]: wanted(rs) for rs in olds}
    ordered = sorted(olds, key=lambda rs: rs["metadata"]["creationTimestamp"])
    _remove_unhealthy(ordered, sizes, removable)
    _remove_available(ordered, sizes, new, floor)
    return [Scale(rs, sizes[rs["metadata"]["uid"]]) for rs in ordered if sizes[rs["metadata"]["uid"]] != wanted(rs)]


def _remove_unhealthy(ordered: Sequence[Obj], sizes: dict[str, int], removable: int) -> None:
    for rs in ordered:
        uid = rs["metadata"]["uid"]
        unhealthy = sizes[uid] - _observed(rs, "availableReplicas")
        taken = max(0, min(unhealthy, removable))
        sizes[uid] -= taken
        removable -= taken


def _remove_available(ordered: Sequence[Obj], sizes: dict[str, int], new: Obj, floor: int) -> None:
    available = _observed(new, "availableReplicas") + sum(
        min(sizes[rs["metadata"]["uid"]], _observed(rs, "availableReplicas")) for rs in ordered
    )
    spare = available - floor
    for rs in ordered:
        if spare <= 0:
            return
        uid = rs["metadata"]["uid"]
        taken = min(sizes[uid], spare)
        sizes[uid] -= taken
        spare -= taken


def history_to_remove(deployment: Obj, olds: Sequence[Obj]) -> list[Obj]:
    """Old sets beyond `revisionHistoryLimit` that are empty and quiet, oldest first."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    surplus = len([rs for rs in olds if not p.is_terminating(rs)]) - limit
    quiet = [
        rs
        for rs in olds
        if wanted(rs) == 0
        and _observed(rs, "replicas") == 0
        and rs["metadata"].get("generation", 0) <= _observed(rs, "observedGeneration")
        and not p.is_terminating(rs)
    ]
    ordered = sorted(quiet, key=revision_of)
    return ordered[: max(0, surplus)]
