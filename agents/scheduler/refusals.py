"""What was refused lately: a pod like it needs not be decided about again while nothing has changed.

A full cluster has many pods of few templates waiting, and each thing that happens lets all of them try again.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

from agents.scheduler.decision import Refused
from agents.scheduler.podinfo import PodInfo, Template
from agents.scheduler.preemption import NoPreemption
from agents.scheduler.snapshot import Snapshot


class _Asked(NamedTuple):
    version: int
    priority: int
    may_preempt: bool


class Refusals:
    """Only for pods that were promised no node, and while no pod was."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._held: WeakKeyDictionary[Template, tuple[_Asked, Refused, NoPreemption]] = WeakKeyDictionary()

    def keep(self, pod: PodInfo, refused: Refused, room: NoPreemption) -> None:
        if not pod.nominated:
            self._held[pod.template] = (self._asked(pod), refused, room)

    def find(self, pod: PodInfo) -> tuple[Refused, NoPreemption] | None:
        held = self._held.get(pod.template)
        if held is None or pod.nominated or pod.node_name or held[0] != self._asked(pod):
            return None
        return held[1], held[2]

    def _asked(self, pod: PodInfo) -> _Asked:
        return _Asked(self._snapshot.version, pod.priority, pod.may_preempt)
