"""One pod on this node, from the first word of it until nothing is left.

`look` observes, decides (`decide`), reports (`pod_status`) and begins what is to be done (`PodActions`). It is quick,
never runs twice at once for one pod, and is called again whenever something changed: the pod, a container, a probe,
the end of an action, a deadline. Nothing is lost between two looks, because each begins from what is there.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from agents.client.cause import current
from agents.client.informer import version_of
from agents.kubelet.decide import Forget, Plan, Release, decide
from agents.kubelet.effective import effective
from agents.kubelet.host import Host
from agents.kubelet.observed import Observed, lost_containers
from agents.kubelet.pod_actions import PodActions
from agents.kubelet.pod_probes import PodProbes
from agents.kubelet.podspec import TERMINAL_PHASES, Obj, full_name, phase_of, uid_of
from agents.kubelet.podstatus import pod_status
from agents.kubelet.runtime import Container, PodUid
from agents.kubelet.status_patch import status_patch

log = structlog.get_logger(__name__)

SETTLING_SECONDS = 0.3
"""A status is written a little later while something is being done: most often one write then says it all."""
LEAST_SECONDS = 0.05
"""Between two looks that only time asks for: whatever is wrong with the times, the event loop goes on."""


class PodWorker:
    def __init__(self, pod: Obj, *, host: Host, local: Obj | None = None) -> None:
        """`local`: the newest status, where this kubelet knows better than the API."""
        self._host = host
        self._pod = pod
        self._local = local
        self._merged: tuple[Obj, Obj | None, Obj] | None = None
        self._lost: tuple[Container, ...] | None = None
        self._gone = False
        self._actions = PodActions(host, self._effective, lambda: host.wake(self.uid))
        self._probes = PodProbes(host, self._actions.tell)
        self.uid: PodUid = uid_of(pod)
        self.release_due = False
        """Everything has ended: after the last status the API object may go."""
        self._is_released = False
        self.cause = current()
        """The change that is being carried out; None once that is done."""
        self._written: tuple[Obj, Obj] | None = None

    @property
    def forgotten(self) -> bool:
        """Nothing is left of it here."""
        return self._actions.forgotten

    @property
    def pod(self) -> Obj:
        """The pod with its newest status."""
        return self._effective()

    @property
    def over(self) -> bool:
        """It takes no room any more."""
        return phase_of(self._effective()) in TERMINAL_PHASES

    def _effective(self) -> Obj:
        """Made once for each version: it is asked for often. Nobody changes it."""
        if self._merged is None or self._merged[0] is not self._pod or self._merged[1] is not self._local:
            self._merged = self._pod, self._local, effective(self._pod, self._local)
        return self._merged[2]

    def update(self, pod: Obj) -> bool:
        """A version from the API. True when it is news."""
        if version_of(pod) <= version_of(self._pod):
            return False
        self._pod = pod
        self.cause = current() or self.cause
        self.keep()
        return True

    def gone(self) -> None:
        """The API has no such pod any more."""
        self.cause = current() or self.cause
        self._gone = True

    # What the API does not know yet

    @property
    def local(self) -> Obj:
        return self._local or {}

    @property
    def outstanding(self) -> Obj:
        """The patch that the API's status needs. What it was sent once and answered otherwise is not sent again."""
        known = self._pod.get("status") or {}
        if self._local is None or self._written == (self._local, known):
            return {}
        return status_patch(known, self._local)

    def written(self, sent: Obj, answer: Obj) -> None:
        """`sent` is the `local` that was written, `answer` the pod as the API holds it now."""
        self._written = (sent, answer.get("status") or {})
        self.update(answer)
        self._rest()

    def released(self, *, remains: bool) -> None:
        """The API object was deleted for good; it remains while it has finalizers."""
        self.release_due = False
        self._gone = self._gone or not remains
        self._is_released = True
        self._host.wake(self.uid)

    # One look

    async def look(self) -> float | None:
        """Returns in how many seconds to look again, if nothing happens before."""
        now = self._host.now()
        observed = await self._observe(now)
        pod = self._effective()
        plan = decide(pod, observed, now)
        if plan.over:
            self._probes.ending = True
            self._actions.give_up_starts()
        else:
            self._actions.begin_refreshing()
        self._begin(plan, observed)
        if not self._gone:
            self._report(pod, observed, plan, now)
        return self._next_look(plan, now)

    async def _observe(self, now: datetime) -> Observed:
        runtime = self._host.runtime
        sandbox = await runtime.find_pod_sandbox(self.uid)
        containers = tuple(await runtime.list_containers(self.uid))
        health = self._probes.follow(self._effective(), containers, sandbox.ip if sandbox else "")
        if self._lost is None:
            self._lost = lost_containers(self._effective(), containers, now)
        names = {c.name for c in containers}
        return Observed(
            sandbox=sandbox,
            node_ip=runtime.node_address(self._pod["spec"]["nodeName"]),
            containers=(*containers, *(c for c in self._lost if c.name not in names)),
            ready=health.ready,
            started=health.started,
            unhealthy={**health.unhealthy, **self._actions.failed_hooks},
            backoffs=self._actions.backoffs,
            problems=self._actions.problems,
            pod_problem=self._actions.pod_problem,
            gone=self._gone,
        )

    def _begin(self, plan: Plan, observed: Observed) -> None:
        for name, waiting in plan.waiting.items():
            latest = observed.latest(name)
            if waiting.reason == "CrashLoopBackOff" and latest is not None:
                self._actions.tell_of_backoff(name, latest.id)
        last = [a for a in plan.actions if isinstance(a, Release | Forget)]
        self._actions.begin(plan.actions, observed)
        if self._actions.busy or not last:
            return
        if isinstance(last[0], Forget):
            self._actions.begin_forgetting()
        elif not self._is_released:
            self.release_due = True

    def _report(self, pod: Obj, observed: Observed, plan: Plan, now: datetime) -> None:
        status = self._status(pod, observed, plan, now)
        if status is not None and status != self._local:
            self._local = status
            self.keep()
        if self.outstanding or self.release_due:
            settling = self._actions.busy and not self.release_due
            self._host.report(self.uid, SETTLING_SECONDS if settling else 0.0)
        self._rest()

    def _rest(self) -> None:
        """What happens after everything was done is no reaction to a change any more."""
        if not (self._actions.busy or self.outstanding or self.release_due):
            self.cause = None

    def _status(self, pod: Obj, observed: Observed, plan: Plan, now: datetime) -> Obj | None:
        if phase_of(pod) in TERMINAL_PHASES and observed.sandbox is None:
            return self._local  # it was refused, or has ended under an earlier kubelet: nothing to add
        return pod_status(pod, observed, plan, now, scheme=self._host.runtime.name)

    def keep(self) -> None:
        """On disk, for the next kubelet."""
        if self._gone:
            return
        try:
            self._host.store.save(self._pod, self._local)
        except OSError as err:  # a full disk; the pod runs on, only a restart without the API server would miss this
            log.warning("pod not kept on disk", pod=full_name(self._pod), error=str(err))

    async def close(self) -> None:
        """Let go; containers run on."""
        await self._probes.close()
        await self._actions.close()

    def _next_look(self, plan: Plan, now: datetime) -> float | None:
        waits = [self._actions.due_seconds]
        if plan.wake_at is not None:
            waits.append((plan.wake_at - now).total_seconds())
        known = [w for w in waits if w is not None]
        return max(LEAST_SECONDS, min(known)) if known else None
