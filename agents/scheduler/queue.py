"""Pods that wait to be placed: by priority, then by age.

    active    to be tried now                            → `pop`
    backoff   refused lately, tried again when its time comes
    parked    refused; tried again when something happens that may help, or after `parked_seconds`
    gated     not to be placed yet: its scheduling gates are not lifted
    (taken)   popped; the caller owes `park`, `retry` or `done`

A pod is in one of these at most. What happens while a pod is taken is not lost: `park` looks at it.
Times are the caller's (`now`, monotonic seconds); nothing here waits or looks at a clock.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from agents.client.cause import Cause
from agents.scheduler.framework import NOTHING, Trigger
from agents.scheduler.podinfo import PodInfo, PodKey


class Place(Enum):
    ACTIVE = auto()
    BACKOFF = auto()
    PARKED = auto()
    GATED = auto()
    TAKEN = auto()


@dataclass(slots=True)
class Waiting:
    """A pod that waits, and how it fared."""

    pod: PodInfo
    place: Place
    since: float
    """When it was queued first: its age."""
    attempts: int = 0
    refused_at: float = 0.0
    helped_by: Trigger = NOTHING
    """What may help it, while it is parked."""
    happened: Trigger = NOTHING
    """What happened while it was taken."""
    ticket: int = 0
    """Of its entry in a heap; entries with another one are stale."""
    renewed: bool = False
    """The pod itself changed while it was taken."""
    cause: Cause | None = None
    """The change by which it was first heard of."""


Entry = tuple[float, float, int, PodKey]


@dataclass(slots=True)
class PodQueue:
    initial_backoff: float = 1.0
    max_backoff: float = 10.0
    parked_seconds: float = 300.0
    _waiting: dict[PodKey, Waiting] = field(default_factory=dict)
    _active: list[Entry] = field(default_factory=list)
    _backoff: list[Entry] = field(default_factory=list)
    _parked: dict[Trigger, dict[PodKey, None]] = field(default_factory=dict)
    """By what may help, each in the order of the refusals: what helps nobody costs nothing."""
    _taken: dict[PodKey, None] = field(default_factory=dict)
    _tickets: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, key: PodKey) -> Waiting | None:
        return self._waiting.get(key)

    def put(self, pod: PodInfo, now: float, *, gated: bool = False) -> None:
        """A pod that waits came, or changed. A change of what it asks for ends its parking."""
        held = self._waiting.get(pod.key)
        if held is None or held.pod.uid != pod.uid:
            self.remove(pod.key)
            held = self._waiting[pod.key] = Waiting(pod, Place.GATED, since=now)
            self._enter(held, gated=gated)
            return
        changed = _asks(held.pod) != _asks(pod)
        held.pod = pod
        if held.place is Place.TAKEN:
            held.renewed |= changed
        elif gated or held.place is Place.GATED:
            self._leave(held)
            self._enter(held, gated=gated)
        elif held.place is Place.PARKED and changed:
            self._release(held, now)
        elif held.place is Place.ACTIVE and changed:
            self._activate(held)

    def _enter(self, held: Waiting, *, gated: bool) -> None:
        if gated:
            held.place = Place.GATED
        else:
            self._activate(held)

    def remove(self, key: PodKey) -> None:
        """The pod waits no more: it was bound, it is gone, or somebody else is to place it."""
        held = self._waiting.pop(key, None)
        if held is not None:
            self._leave(held)

    def pop(self, now: float) -> Waiting | None:
        """The pod to try next. The caller owes `park`, `retry` or `done`."""
        self._advance(now)
        while self._active:
            *_, ticket, key = heapq.heappop(self._active)
            held = self._waiting.get(key)
            if held is not None and held.ticket == ticket and held.place is Place.ACTIVE:
                held.place, held.happened, held.renewed = Place.TAKEN, NOTHING, False
                held.attempts += 1
                self._taken[key] = None
                return held
        return None

    def park(self, held: Waiting, now: float, helped_by: Trigger) -> None:
        """It was refused, and only these events may help."""
        if self._settle(held):
            held.refused_at, held.helped_by = now, helped_by
            held.place = Place.PARKED
            self._parked.setdefault(helped_by, {})[held.pod.key] = None
            if held.renewed or held.happened & helped_by:
                self._release(held, now)

    def retry(self, held: Waiting, now: float) -> None:
        """Something went wrong that has nothing to do with the cluster's state."""
        if self._settle(held):
            held.refused_at = now
            self._back_off(held)

    def done(self, held: Waiting) -> None:
        if self._settle(held):
            self.remove(held.pod.key)

    def _settle(self, held: Waiting) -> bool:
        """False when the pod was removed, or came anew, since it was popped."""
        if self._waiting.get(held.pod.key) is not held or held.place is not Place.TAKEN:
            return False
        self._taken.pop(held.pod.key, None)
        return True

    def happened(self, trigger: Trigger, now: float) -> None:
        """Parked pods that this may help are tried again, no sooner than their back-off allows."""
        for key in self._taken:
            self._waiting[key].happened |= trigger
        for helped_by in [t for t in self._parked if t & trigger]:
            for key in list(self._parked[helped_by]):
                self._release(self._waiting[key], now)

    def _advance(self, now: float) -> None:
        """What is due becomes active."""
        while self._backoff and self._backoff[0][0] <= now:
            *_, ticket, key = heapq.heappop(self._backoff)
            held = self._waiting.get(key)
            if held is not None and held.ticket == ticket and held.place is Place.BACKOFF:
                self._activate(held)
        while due := [h for h in self._parked_longest() if h.refused_at + self.parked_seconds <= now]:
            for held in due:
                self._release(held, now)

    def due(self) -> float | None:
        """When `pop` may give something without anything happening. Minus infinity: now."""
        if self._active:
            return float("-inf")
        times = [held.refused_at + self.parked_seconds for held in self._parked_longest()]
        times += [self._backoff[0][0]] if self._backoff else []
        return min(times, default=None)

    def _parked_longest(self) -> list[Waiting]:
        """The first of each group: the first of it to be due."""
        return [self._waiting[next(iter(group))] for group in self._parked.values()]

    def _unpark(self, held: Waiting) -> None:
        group = self._parked.get(held.helped_by, {})
        group.pop(held.pod.key, None)
        if not group:
            self._parked.pop(held.helped_by, None)

    def _release(self, held: Waiting, now: float) -> None:
        self._unpark(held)
        if self._backoff_ends(held) > now:
            self._back_off(held)
        else:
            self._activate(held)

    def _backoff_ends(self, held: Waiting) -> float:
        doublings = min(max(held.attempts - 1, 0), 30)
        return held.refused_at + min(self.initial_backoff * 2.0**doublings, self.max_backoff)

    def _activate(self, held: Waiting) -> None:
        held.place, held.ticket = Place.ACTIVE, self._tickets()
        heapq.heappush(self._active, (-held.pod.priority, held.since, held.ticket, held.pod.key))

    def _back_off(self, held: Waiting) -> None:
        held.place, held.ticket = Place.BACKOFF, self._tickets()
        heapq.heappush(self._backoff, (self._backoff_ends(held), held.since, held.ticket, held.pod.key))

    def _leave(self, held: Waiting) -> None:
        self._unpark(held)
        self._taken.pop(held.pod.key, None)
        held.ticket = 0


def _asks(pod: PodInfo) -> tuple[object, ...]:
    return pod.template, pod.priority, pod.node_name
