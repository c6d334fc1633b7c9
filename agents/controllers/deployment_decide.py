"""What a Deployment wants of its ReplicaSets: how large each shall be, and which may go. Pure.

Upstream: pkg/controller/deployment/{sync,rolling}.go. The rule of a rolling update: never more than replicas + maxSurge
pods are asked for, never fewer than replicas - maxUnavailable available ones are left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.controllers import pods as p
from agents.controllers.revisions import DESIRED, MAX_REPLICAS, find_new, revision_of

Obj = dict[str, Any]


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
    if current >= replicas or not is_rolling(deployment):
        return replicas
    room = replicas + max_surge(deployment) - sum(wanted(rs) for rs in olds) - current
    return current + max(0, min(room, replicas - current))


def is_scaling_event(deployment: Obj, sets: Sequence[Obj]) -> bool:
    """`spec.replicas` changed since the sets were last sized."""
    replicas = str(deployment["spec"].get("replicas", 1))
    return any(
        wanted(rs) > 0 and rs["metadata"].get("annotations", {}).get(DESIRED, replicas) != replicas for rs in sets
    )


def scale(deployment: Obj, sets: Sequence[Obj]) -> list[Scale]:
    """Size the sets for a change of `spec.replicas`, without moving a rollout on.

    Sets that keep their size are named too: their annotations must say that they were sized for this number."""
    replicas = int(deployment["spec"].get("replicas", 1))
    new = find_new(deployment, sets)
    active = [rs for rs in sets if wanted(rs) > 0]
    if len(active) <= 1:
        chosen = active[0] if active else new or max(sets, key=_age_key, default=None)
        return [Scale(chosen, replicas)] if chosen is not None else []
    if new is not None and _is_saturated(new, replicas):
        return [Scale(rs, replicas if rs is new else 0) for rs in active]
    if not is_rolling(deployment):
        return [Scale(rs, wanted(rs)) for rs in active]
    allowed = replicas + max_surge(deployment) if replicas > 0 else 0
    return _proportional(deployment, active, allowed)


def _age_key(rs: Obj) -> tuple[str, str]:
    return (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"])


def _is_saturated(new: Obj, replicas: int) -> bool:
    """The new set is all that is wanted, so that the old ones are not needed (one was adopted, say)."""
    desired = new["metadata"].get("annotations", {}).get(DESIRED)
    return desired == str(replicas) == str(wanted(new)) and _observed(new, "availableReplicas") == replicas


def _proportional(deployment: Obj, active: Sequence[Obj], allowed: int) -> list[Scale]:
    """Each set's part is in proportion to its size; the largest takes what rounding leaves."""
    to_add = allowed - sum(wanted(rs) for rs in active)
    ordered = sorted(sorted(active, key=_age_key, reverse=to_add > 0), key=wanted, reverse=True)
    sizes: list[int] = []
    left = to_add
    for rs in ordered:
        share = _share(deployment, rs, left)
        sizes.append(wanted(rs) + share)
        left -= share
    sizes[0] += left
    return [Scale(rs, max(0, size)) for rs, size in zip(ordered, sizes, strict=True)]


def _share(deployment: Obj, rs: Obj, left: int) -> int:
    """A set's part of the change: what its size would be at the new total, less what it is."""
    replicas = int(deployment["spec"].get("replicas", 1))
    if left == 0:
        return 0
    if replicas == 0:
        part = -wanted(rs)
    else:
        annotated = rs["metadata"].get("annotations", {}).get(MAX_REPLICAS, "")
        planned_for = int(annotated) if annotated.isdigit() else int(deployment.get("status", {}).get("replicas", 0))
        if planned_for == 0:
            return 0
        part = math.floor(wanted(rs) * (replicas + max_surge(deployment)) / planned_for + 0.5) - wanted(rs)
    return min(part, left) if left > 0 else max(part, left)


def scale_down_olds(deployment: Obj, new: Obj, olds: Sequence[Obj]) -> list[Scale]:
    """Take old pods away: first those that are not well, then as many as availability allows."""
    old_total = sum(wanted(rs) for rs in olds)
    if old_total == 0:
        return []
    floor = int(deployment["spec"].get("replicas", 1)) - max_unavailable(deployment)
    removable = old_total + _available(new, wanted(new)) - floor
    if removable <= 0:
        return []
    ordered = sorted(olds, key=_age_key)
    sizes = _without_unhealthy(ordered, removable)
    spare = _available(new, wanted(new)) + sum(map(_available, ordered, sizes)) - floor
    for place, size in enumerate(sizes):
        taken = max(0, min(size, spare))
        sizes[place] -= taken
        spare -= taken
    return [Scale(rs, size) for rs, size in zip(ordered, sizes, strict=True) if size != wanted(rs)]


def _available(rs: Obj, size: int) -> int:
    """Of a set that was told to shrink and has not reported since, no more than its size counts."""
    return min(size, _observed(rs, "availableReplicas"))


def _without_unhealthy(ordered: Sequence[Obj], removable: int) -> list[int]:
    """The sizes without pods that are not available: a set deletes those first."""
    sizes: list[int] = []
    for rs in ordered:
        taken = min(wanted(rs) - _available(rs, wanted(rs)), removable)
        sizes.append(wanted(rs) - taken)
        removable -= taken
    return sizes


def history_to_remove(deployment: Obj, olds: Sequence[Obj]) -> list[Obj]:
    """Old sets beyond `revisionHistoryLimit`, oldest first, but for those that are still in use or not quiet."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    standing = sorted((rs for rs in olds if not p.is_terminating(rs)), key=revision_of)
    return [rs for rs in standing[: max(0, len(standing) - limit)] if _is_quiet(rs)]


def _is_quiet(rs: Obj) -> bool:
    observed = rs["metadata"].get("generation", 0) <= _observed(rs, "observedGeneration")
    return observed and wanted(rs) == 0 and _observed(rs, "replicas") == 0
