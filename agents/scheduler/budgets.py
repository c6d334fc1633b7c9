"""PodDisruptionBudgets, as far as preemption asks them: how many of its pods may go now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.client.resources import ResourceRef
from agents.scheduler.podinfo import PodInfo
from apiserver.api.selectors import LabelSelector, SelectorError

PDBS = ResourceRef("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")


@dataclass(frozen=True, slots=True)
class Budget:
    namespace: str
    selector: LabelSelector
    allowed: int
    going: frozenset[str]
    """Pods whose eviction was granted already and not seen yet."""

    def covers(self, pod: PodInfo) -> bool:
        template = pod.template
        if template.namespace != self.namespace or not template.labels or self.selector.is_empty:
            return False
        return self.selector.matches(template.labels)


def read_budget(obj: Mapping[str, Any]) -> Budget:
    """A budget whose selector nobody understands covers nothing."""
    status = obj.get("status") or {}
    try:
        selector = LabelSelector.from_object((obj.get("spec") or {}).get("selector"))
    except SelectorError:
        selector = LabelSelector.nothing()
    return Budget(
        namespace=obj["metadata"].get("namespace", ""),
        selector=selector,
        allowed=int(status.get("disruptionsAllowed") or 0),
        going=frozenset(status.get("disruptedPods") or ()),
    )


def by_violation(pods: Iterable[PodInfo], budgets: Sequence[Budget]) -> tuple[Sequence[PodInfo], Sequence[PodInfo]]:
    """The pods whose removal, after those before them, would violate a budget, and the others; the order stays."""
    left = [b.allowed for b in budgets]
    violating: list[PodInfo] = []
    harmless: list[PodInfo] = []
    for pod in pods:
        violates = False
        for i, budget in enumerate(budgets):
            if budget.covers(pod) and pod.key.name not in budget.going:
                left[i] -= 1
                violates |= left[i] < 0
        (violating if violates else harmless).append(pod)
    return violating, harmless
