"""The pod that decisions are made on: the API's, with what this kubelet knows better. Pure.

What the API holds lags behind, and stands still while it is away. So the kubelet's own last status wins over the
API's, except for two things: conditions of others, and an end that others declared.
"""

from __future__ import annotations

from typing import Any

from agents.kubelet.conditions import OWN
from agents.kubelet.podspec import TERMINAL_PHASES, Obj

_ENDING = ("phase", "reason", "message")


def effective(pod: Obj, local: Obj | None) -> Obj:
    if local is None:
        return pod
    known: dict[str, Any] = pod.get("status") or {}
    others = [c for c in known.get("conditions") or () if c.get("type") not in OWN]
    own = [c for c in local.get("conditions") or () if c.get("type") in OWN]
    status = {**known, **local, "conditions": [*own, *others]}
    if known.get("phase") in TERMINAL_PHASES and local.get("phase") not in TERMINAL_PHASES:
        status.update({k: known[k] for k in _ENDING if k in known})
    return {**pod, "status": status}
