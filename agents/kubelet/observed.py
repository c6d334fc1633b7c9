"""What is known of one pod at one moment, all that a decision needs. Pure.

`containers` comes from the runtime; the rest is the worker's memory: what probes said, what failed, what is stopping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agents.kubelet.backoff import Backoff
from agents.kubelet.podspec import Obj, parse_time, stated, uid_of
from agents.kubelet.runtime import Container, ContainerId, ContainerState, Sandbox, SandboxId

LOST_EXIT_CODE = 137
LOST_REASON = "ContainerStatusUnknown"
LOST_MESSAGE = "The container could not be located when the pod was terminated"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a container could not be created or started, and when to try again."""

    reason: str
    message: str
    retry_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    sandbox: Sandbox | None = None
    node_ip: str = ""
    containers: tuple[Container, ...] = ()
    ready: frozenset[ContainerId] = frozenset()  # readiness probe succeeded, or there is none
    started: frozenset[ContainerId] = frozenset()  # startup probe succeeded, or there is none
    unhealthy: Mapping[ContainerId, str] = field(default_factory=dict)  # liveness or startup failed: why
    backoffs: Mapping[str, Backoff] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    pod_problem: Problem | None = None  # volumes or sandbox could not be made
    gone: bool = False  # the API has no such pod any more

    def of(self, name: str) -> list[Container]:
        """This container's attempts, newest first."""
        found = [c for c in self.containers if c.name == name]
        return sorted(found, key=lambda c: (c.attempt, c.created_at), reverse=True)

    def latest(self, name: str) -> Container | None:
        found = self.of(name)
        return found[0] if found else None

    def running(self) -> list[Container]:
        return [c for c in self.containers if c.state is ContainerState.RUNNING]


def lost_containers(pod: Obj, known: tuple[Container, ...], now: datetime) -> tuple[Container, ...]:
    """Containers that the API has heard of and the runtime has not, for example because the state_dir was removed.

    They count as ended, so that restart policies hold and restart counts go on.
    """
    names = {c.name for c in known}
    return tuple(
        _lost(pod, status, now) for status in stated(pod) if status.get("containerID") and status["name"] not in names
    )


def _lost(pod: Obj, status: Obj, now: datetime) -> Container:
    state = status.get("state") or {}
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    if state.get("running"):
        ended = {"exitCode": LOST_EXIT_CODE, "reason": LOST_REASON, "message": LOST_MESSAGE}
    uid = uid_of(pod)
    finished = parse_time(ended.get("finishedAt")) or now
    return Container(
        id=ContainerId(status["containerID"].partition("://")[2]),
        sandbox_id=SandboxId(uid),
        pod_uid=uid,
        name=status["name"],
        attempt=status.get("restartCount") or 0,
        image=status.get("image") or "",
        state=ContainerState.EXITED,
        created_at=finished,
        started_at=parse_time(ended.get("startedAt")),
        finished_at=finished,
        exit_code=ended.get("exitCode", LOST_EXIT_CODE),
        reason=ended.get("reason") or LOST_REASON,
        message=ended.get("message") or "",
    )
