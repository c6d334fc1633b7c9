"""Decide what to do about one pod: `decide(pod, observed, now) -> Plan`. Pure; `pod_worker` does it.

A pod is in one of four situations, looked at in this order:

    gone        the API has no such pod: kill everything at once, then forget it
    deleted     it has a deletionTimestamp: stop with its grace; then the API object may go
    over        it reached Succeeded or Failed, ran past its deadline, or cannot go on: stop what still runs, then the
                sandbox
    wanted      sandbox, init containers one after the other, then sidecars and main containers side by side

Stopping has an order too: first the main containers, then sidecars, the last first. A decision never depends on the
one before; asking again while an action is under way gives the same action, and the worker does not do it twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.kubelet.backoff import shown, waits_until
from agents.kubelet.observed import Observed
from agents.kubelet.podspec import (
    TERMINAL_PHASES,
    Obj,
    full_name,
    grace_seconds,
    init_containers,
    is_deleted,
    is_sidecar,
    main_containers,
    never_restarts,
    parse_time,
    phase_of,
    restarts,
    sidecars,
)
from agents.kubelet.runtime import Container, ContainerId, ContainerState, SandboxId

LEAST_SIDECAR_GRACE_SECONDS = 2.0
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Mount the volumes and make the sandbox."""


@dataclass(frozen=True, slots=True)
class StartContainer:
    name: str
    attempt: int
    after: Container | None = None  # the attempt before


@dataclass(frozen=True, slots=True)
class StopContainer:
    id: ContainerId
    name: str
    grace_seconds: float
    why: str = ""  # empty: an ordinary stop


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    id: ContainerId


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """Nothing will run in it any more: its address is free for others. Logs stay until the pod is removed."""

    id: SandboxId


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove the sandbox, the volumes and the memory of the pod."""


@dataclass(frozen=True, slots=True)
class Release:
    """Everything has ended: report the last status and delete the API object with grace 0."""


Action = MakeSandbox | StartContainer | StopContainer | RemoveContainer | StopSandbox | Forget | Release


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container is not running: `state.waiting` of its status."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None  # look again then, if nothing happens before
    waiting: dict[str, Waiting] = field(default_factory=dict)
    over: bool = False  # no container will be started any more
    reason: str = ""  # status.reason and status.message of a pod that was ended from outside
    message: str = ""


def decide(pod: Obj, observed: Observed, now: datetime) -> Plan:
    if observed.gone:
        stops = _stop_all(pod, observed, now, grace=0.0)
        return Plan(actions=tuple(stops) or (Forget(),), over=True)
    if is_deleted(pod):
        stops = _stop_all(pod, observed, now, grace=grace_seconds(pod))
        reason, message = _ended_by(pod, now)
        return Plan(actions=tuple(stops) or (Release(),), over=True, reason=reason, message=message)
    if phase_of(pod) in TERMINAL_PHASES or _is_past_deadline(pod, now):
        reason, message = _ended_by(pod, now)
        return Plan(actions=_end(pod, observed, now), over=True, reason=reason, message=message)
    return _wanted(pod, observed, now)


def _ended_by(pod: Obj, now: datetime) -> tuple[str, str]:
    """status.reason and status.message of a pod that something other than its containers ended."""
    status = pod.get("status") or {}
    if phase_of(pod) in TERMINAL_PHASES:
        return status.get("reason") or "", status.get("message") or ""
    return ("DeadlineExceeded", DEADLINE_MESSAGE) if _is_past_deadline(pod, now) else ("", "")


def _deadline(pod: Obj) -> datetime | None:
    seconds = pod["spec"].get("activeDeadlineSeconds")
    started = parse_time((pod.get("status") or {}).get("startTime"))
    return started + timedelta(seconds=seconds) if seconds is not None and started else None


def _is_past_deadline(pod: Obj, now: datetime) -> bool:
    deadline = _deadline(pod)
    return deadline is not None and now >= deadline


def _end(pod: Obj, observed: Observed, now: datetime) -> tuple[Action, ...]:
    """Bring a pod that goes on no more to rest, and leave it so until it is deleted."""
    stops = _stop_all(pod, observed, now, grace=grace_seconds(pod))
    if stops or observed.sandbox is None or not observed.sandbox.ready:
        return tuple(stops)
    return (StopSandbox(observed.sandbox.id),)


def _stop_all(pod: Obj, observed: Observed, now: datetime, *, grace: float) -> list[StopContainer]:
    """Main containers first; then sidecars, from the last to the first, each once the one after it is gone."""
    running = observed.running()
    order = [c["name"] for c in sidecars(pod)]
    mains = [c for c in running if c.name not in order]
    if mains or grace == 0:
        return [StopContainer(c.id, c.name, grace) for c in (mains if grace else running)]
    for name in reversed(order):
        found = [c for c in running if c.name == name]
        if found:
            left = max(LEAST_SIDECAR_GRACE_SECONDS, min(grace, _left_to_delete(pod, now, grace)))
            return [StopContainer(c.id, c.name, left) for c in found]
    return []


def _left_to_delete(pod: Obj, now: datetime, grace: float) -> float:
    """deletionTimestamp is when the grace is over."""
    at = parse_time(pod["metadata"].get("deletionTimestamp"))
    return (at - now).total_seconds() if at else grace


class _Draft:
    """Gathers the parts of a plan."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.waiting: dict[str, Waiting] = {}
        self.wake_at: datetime | None = None

    def wake(self, at: datetime | None) -> None:
        if at is not None and (self.wake_at is None or at < self.wake_at):
            self.wake_at = at

    def plan(self) -> Plan:
        return Plan(actions=tuple(self.actions), wake_at=self.wake_at, waiting=self.waiting)


def _wanted(pod: Obj, observed: Observed, now: datetime) -> Plan:
    draft = _Draft()
    draft.wake(_deadline(pod))
    if observed.sandbox is None:
        problem = observed.pod_problem
        if problem is not None and now < problem.retry_at:
            draft.wake(problem.retry_at)
        else:
            draft.actions.append(MakeSandbox())
        return draft.plan()
    if _mains_are_done(pod, observed):
        return Plan(actions=_end(pod, observed, now), over=True)
    initialized = _step_init(pod, observed, now, draft)
    if initialized is None:
        return Plan(actions=_end(pod, observed, now), over=True)
    if initialized:
        for spec in main_containers(pod):
            _step(pod, spec, observed, now, draft)
    draft.actions.extend(_old_attempts(observed))
    return draft.plan()


def _mains_are_done(pod: Obj, observed: Observed) -> bool:
    """Every main container ended and none runs again."""
    for spec in main_containers(pod):
        latest = observed.latest(spec["name"])
        if latest is None or latest.state is not ContainerState.EXITED or _runs_again(pod, spec, latest, observed):
            return False
    return True


def _runs_again(pod: Obj, spec: Obj, ended: Container, observed: Observed, *, init: bool = False) -> bool:
    if ended.id in observed.unhealthy:  # whatever it returned, its end was a failure
        return not never_restarts(pod, spec)
    if ended.image and ended.image != spec.get("image", ended.image) and not init:
        return True
    return restarts(pod, spec, ended, init=init)


def _step_init(pod: Obj, observed: Observed, now: datetime, draft: _Draft) -> bool | None:
    """Advance the init containers. True: the main ones may run; None: initialization has failed for good."""
    began = any(observed.latest(c["name"]) for c in main_containers(pod))
    for spec in init_containers(pod):
        latest = observed.latest(spec["name"])
        if is_sidecar(spec):
            _step(pod, spec, observed, now, draft)
            up = latest is not None and latest.state is ContainerState.RUNNING and latest.id in observed.started
            if not up and not began:
                return False
        elif not began and not _succeeded(latest):
            if latest and latest.state is ContainerState.EXITED and not restarts(pod, spec, latest, init=True):
                return None
            _step(pod, spec, observed, now, draft, init=True)
            return False
    return True


def _succeeded(container: Container | None) -> bool:
    return container is not None and container.state is ContainerState.EXITED and container.exit_code == 0


def _step(pod: Obj, spec: Obj, observed: Observed, now: datetime, draft: _Draft, *, init: bool = False) -> None:
    """Bring one container that should run nearer to running."""
    name, latest = spec["name"], observed.latest(spec["name"])
    if latest is not None and latest.state is ContainerState.RUNNING:
        why = _why_stop(spec, latest, observed)
        if why:
            draft.actions.append(StopContainer(latest.id, name, _probe_grace(pod, spec, latest, observed), why))
        return
    if latest is not None and latest.state is ContainerState.EXITED:
        if not _runs_again(pod, spec, latest, observed, init=init):
            return
        if _waits_for_backoff(pod, spec, latest, observed, now, draft):
            return
    problem = observed.problems.get(name)
    if problem is not None:
        draft.waiting[name] = Waiting(problem.reason, problem.message)
        if now < problem.retry_at:
            draft.wake(problem.retry_at)
            return
    draft.actions.extend(_start(name, latest))


def _start(name: str, latest: Container | None) -> Iterable[Action]:
    if latest is None:
        return [StartContainer(name, 0)]
    if latest.state is ContainerState.CREATED:  # made by a kubelet that died before it could start it
        return [RemoveContainer(latest.id)]  # and made again once it is gone: both have the same log
    return [StartContainer(name, latest.attempt + 1, latest)]


def _waits_for_backoff(
    pod: Obj, spec: Obj, latest: Container, observed: Observed, now: datetime, draft: _Draft
) -> bool:
    known = observed.backoffs.get(spec["name"])
    until = waits_until(known, latest.finished_at or now)
    if known is None or until is None or now >= until:
        return False
    message = f"back-off {shown(known.delay)} restarting failed container={spec['name']} pod={full_name(pod)}"
    draft.waiting[spec["name"]] = Waiting("CrashLoopBackOff", message)
    draft.wake(until)
    return True


def _why_stop(spec: Obj, running: Container, observed: Observed) -> str:
    if running.id in observed.unhealthy:
        return f"Container {spec['name']} {observed.unhealthy[running.id]}, will be restarted"
    if running.image and spec.get("image", running.image) != running.image:
        return f"Container {spec['name']} definition changed, will be restarted"
    return ""


def _probe_grace(pod: Obj, spec: Obj, running: Container, observed: Observed) -> float:
    """A probe may have a grace of its own."""
    if running.id in observed.unhealthy:
        kind = "startupProbe" if running.id not in observed.started else "livenessProbe"
        own = (spec.get(kind) or {}).get("terminationGracePeriodSeconds")
        if own is not None:
            return float(own)
    return grace_seconds(pod)


def _old_attempts(observed: Observed) -> list[RemoveContainer]:
    """The newest and the one before are kept, for lastState and `logs --previous`."""
    names = {c.name for c in observed.containers}
    return [
        RemoveContainer(c.id)
        for name in sorted(names)
        for c in observed.of(name)[2:]
        if c.state is not ContainerState.RUNNING
    ]
