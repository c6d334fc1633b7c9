"""A pod's phase, from the states of its containers. Pure; upstream's `getPhase`, and the one place that knows it.

Succeeded and Failed are final, and shown only once nothing runs any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.kubelet.decide import Plan
from agents.kubelet.podspec import TERMINAL_PHASES, Obj, init_containers, is_sidecar, phase_of

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"


def phase(pod: Obj, inits: Sequence[Obj], mains: Sequence[Obj], plan: Plan) -> str:
    """`inits` and `mains` are the container statuses of this moment."""
    known = phase_of(pod)
    if known in TERMINAL_PHASES:
        return known
    busy = any("running" in s["state"] for s in (*inits, *mains))
    if plan.reason:  # ended from outside: the deadline
        return known if busy else FAILED
    sidecars = {c["name"] for c in init_containers(pod) if is_sidecar(c)}
    if not _initialized(inits, mains, sidecars):
        failed = plan.over and not busy and any(_failed(s) for s in inits if s["name"] not in sidecars)
        return FAILED if failed else PENDING
    if any(_never_ran(s) for s in mains):
        if plan.over and not busy:
            return FAILED  # deleted before it began
        return PENDING
    if not plan.over or any("terminated" not in s["state"] for s in mains):
        return RUNNING
    if busy:
        return RUNNING
    return SUCCEEDED if all(s["state"]["terminated"]["exitCode"] == 0 for s in mains) else FAILED


def _initialized(inits: Sequence[Obj], mains: Sequence[Obj], sidecars: set[str]) -> bool:
    if any("containerID" in s for s in mains):
        return True
    return all(s["started"] if s["name"] in sidecars else s["ready"] for s in inits)


def _failed(status: Obj) -> bool:
    ended = status["state"].get("terminated")
    return bool(ended and ended["exitCode"])


def _never_ran(status: Obj) -> bool:
    return "waiting" in status["state"] and "terminated" not in status["lastState"]
