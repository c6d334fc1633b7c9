"""What admission asks of a new pod, as pure functions: the server's plugins call them with what they looked up."""

from __future__ import annotations

from typing import Any

Pod = dict[str, Any]

DEFAULT_TOLERATION_SECONDS = 300
"""How long a pod stays bound to a node that went away, where it does not say."""

_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _tolerates(toleration: Pod, taint: str) -> bool:
    if toleration.get("effect") not in (None, "", "NoExecute"):
        return False
    key = toleration.get("key")
    return key == taint or not key


def add_default_tolerations(pod: Pod, *, seconds: int = DEFAULT_TOLERATION_SECONDS) -> None:
    """Let the pod outlast a short absence of its node, unless it says something about that itself."""
    spec = pod["spec"]
    present = spec.get("tolerations") or []
    missing = [taint for taint in _NODE_TAINTS if not any(_tolerates(t, taint) for t in present)]
    if missing:
        spec["tolerations"] = present + [
            {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
            for taint in missing
        ]


def set_service_account(pod: Pod, *, name: str = "default") -> None:
    """Run as this account where the pod names none."""
    spec = pod["spec"]
    chosen = spec.get("serviceAccountName") or name
    spec["serviceAccountName"] = spec["serviceAccount"] = chosen


def set_priority(pod: Pod, *, value: int, preemption_policy: str = "PreemptLowerPriority") -> None:
    """The number and the policy that the pod's priority class stands for."""
    spec = pod["spec"]
    spec["priority"] = value
    if not spec.get("preemptionPolicy"):
        spec["preemptionPolicy"] = preemption_policy
