"""What the kubelet reads off a pod: its containers by their part, policies, periods. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agents.kubelet.runtime import Container, PodUid

Obj = dict[str, Any]

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})
DEFAULT_GRACE_SECONDS = 30


def uid_of(pod: Obj) -> PodUid:
    return PodUid(pod["metadata"]["uid"])


def key_of(pod: Obj) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def full_name(pod: Obj) -> str:
    """How messages name a pod: `name_namespace(uid)`."""
    meta = pod["metadata"]
    return f"{meta['name']}_{meta['namespace']}({meta['uid']})"


def init_containers(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("initContainers") or ())


def main_containers(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("containers") or ())


def all_containers(pod: Obj) -> list[Obj]:
    return init_containers(pod) + main_containers(pod)


def is_sidecar(spec: Obj) -> bool:
    """Of an init container: it goes on running beside the main ones."""
    return spec.get("restartPolicy") == "Always"


def sidecars(pod: Obj) -> list[Obj]:
    return [c for c in init_containers(pod) if is_sidecar(c)]


def pod_policy(pod: Obj) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def restarts(pod: Obj, spec: Obj, ended: Container, *, init: bool = False) -> bool:
    """Whether a container that ended like this runs again. An init container that succeeded never does."""
    for rule in spec.get("restartPolicyRules") or ():
        if _matches(rule, ended.exit_code):
            return bool(rule.get("action") == "Restart")
    policy = spec.get("restartPolicy") or pod_policy(pod)
    if init and not is_sidecar(spec) and policy == "Always":
        policy = "OnFailure"
    return policy == "Always" or (policy == "OnFailure" and ended.exit_code != 0)


def _matches(rule: Obj, exit_code: int) -> bool:
    codes = rule.get("exitCodes") or {}
    within = exit_code in (codes.get("values") or ())
    return within if codes.get("operator") == "In" else not within


def never_restarts(pod: Obj, spec: Obj) -> bool:
    return (spec.get("restartPolicy") or pod_policy(pod)) == "Never" and not spec.get("restartPolicyRules")


def grace_seconds(pod: Obj) -> float:
    """What its containers get to end: as the deletion says, else as the spec says."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds") if is_deleted(pod) else None
    if asked is None:
        asked = pod["spec"].get("terminationGracePeriodSeconds")
    return float(DEFAULT_GRACE_SECONDS if asked is None else asked)


def is_deleted(pod: Obj) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase_of(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def condition_of(pod: Obj, kind: str) -> Obj | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return dict(condition)
    return None


def named(specs: list[Obj], name: str) -> Obj | None:
    return next((s for s in specs if s["name"] == name), None)


def stated(pod: Obj) -> Iterator[Obj]:
    """The container statuses that the API holds."""
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(key) or ()


def parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def format_time(moment: datetime) -> str:
    """As metav1.Time: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
