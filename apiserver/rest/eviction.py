"""Whether a pod may be evicted now: at most one disruption budget may select it, and it must allow a disruption.

The budget is charged by a write to its status, so two evictions never spend the same allowance. Upstream:
`registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apiserver.api import status
from apiserver.api.selectors import LabelSelector
from apiserver.rest import strategy, update
from apiserver.rest.call import Call
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.records import Current, Records
from apiserver.store.base import StoredResource

Obj = dict[str, Any]

BUDGETS = StoredResource("policy", "poddisruptionbudgets")


async def consume_budget(records: Records, call: Call, endpoints: Endpoints, pod: Obj, *, dry_run: bool) -> None:
    """Raises TooManyRequests when the budget allows no disruption, InternalError when several budgets apply."""
    labels = pod["metadata"].get("labels", {})
    budgets = [b for b in records.each(BUDGETS, call.namespace) if _selects(b, labels)]
    if not budgets:
        return
    if len(budgets) > 1:
        raise status.InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    endpoint = endpoints.stored_as(BUDGETS)
    if endpoint is None:
        raise status.InternalError("disruption budgets are not served")
    name = budgets[0]["metadata"]["name"]
    if dry_run:
        _charged(await records.get(endpoint, call.namespace, name), pod)
        return
    await _charge(records, call, endpoint, name, pod)


async def _charge(records: Records, call: Call, endpoint: Endpoint, name: str, pod: Obj) -> None:
    await update.change(records, call, endpoint, name, lambda current: _charged(current, pod), part=update.STATUS)


def _selects(budget: Any, labels: dict[str, str]) -> bool:
    selector = budget.get("spec", {}).get("selector")
    return selector is not None and LabelSelector.from_object(selector).matches(labels)


def _charged(current: Current, pod: Obj) -> Obj:
    budget = current.parse()
    observed = budget.setdefault("status", {})
    name = budget["metadata"]["name"]
    if observed.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", retry=10)
    if observed.get("disruptionsAllowed", 0) <= 0:
        raise _refusal(
            f"The disruption budget {name} needs {observed.get('desiredHealthy', 0)} healthy pods and has "
            f"{observed.get('currentHealthy', 0)} currently"
        )
    observed["disruptionsAllowed"] -= 1
    observed.setdefault("disruptedPods", {})[pod["metadata"]["name"]] = strategy.rfc3339(datetime.now(UTC))
    return budget


def _refusal(why: str, *, retry: int | None = None) -> status.TooManyRequests:
    return status.TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[status.Cause("DisruptionBudget", why)],
        retry_after_seconds=retry,
    )
