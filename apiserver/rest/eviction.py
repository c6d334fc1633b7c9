"""POST pods/NAME/eviction: a DELETE that asks the disruption budgets first.

At most one budget may select the pod, and it must allow a disruption. The budget is charged by a write to its status,
so two evictions never spend the same allowance. Upstream: `registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apiserver.api import status
from apiserver.api.kinds._conditions import set_condition
from apiserver.api.meta import rfc3339
from apiserver.api.selectors import LabelSelector, SelectorError
from apiserver.rest import strategy, update
from apiserver.rest.call import Call
from apiserver.rest.delete import delete_object, read_options
from apiserver.rest.deletion import DeleteOptions, check_preconditions
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.records import Current, Records
from apiserver.store.base import StoredResource

Obj = dict[str, Any]

BUDGETS = StoredResource("policy", "poddisruptionbudgets")

_TRIES = 5
_MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10
_DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


async def evict(records: Records, call: Call, endpoints: Endpoints) -> None:
    """Raises what deleting raises, TooManyRequests when a budget allows no disruption, InternalError when several
    budgets select the pod."""
    eviction = _decode(call, endpoints)
    asked = read_options(eviction.get("deleteOptions") or {})
    asked = replace(asked, dry_run=asked.dry_run or call.dry_run)
    for attempt in range(_TRIES):
        current = await records.get(call.endpoint, call.namespace, call.name)
        budget, options = "", asked
        if not _has_ended(current.parse()):
            # What was found holds for the pod as it is now: it may become healthy, and guarded, the next moment.
            budget, pinned = await _ask_budget(records, call, endpoints, current.parse(), dry_run=asked.dry_run)
            if pinned and not asked.resource_version:
                options = replace(asked, resource_version=str(current.rv))
        try:
            await _mark_and_delete(records, call, options)
        except status.Conflict:
            if budget and options is not asked:
                raise still_processed(budget) from None
            if options is asked or attempt == _TRIES - 1:
                raise
        else:
            return


def _decode(call: Call, endpoints: Endpoints) -> Obj:
    call.check_options("CreateOptions")
    eviction = call.decode(endpoints.shape("policy", "v1", "Eviction", "io.k8s.api.policy.v1.Eviction"))
    metadata = strategy.place(call.endpoint, eviction, call.namespace)
    if metadata.get("name") != call.name:
        raise status.BadRequest("name in URL does not match name in Eviction object")
    return eviction


async def _mark_and_delete(records: Records, call: Call, options: DeleteOptions) -> None:
    """The pod says why it ends, before it does."""

    def marked(current: Current) -> Obj:
        pod = current.parse()
        check_preconditions(call.endpoint, pod, options)
        set_condition(pod.setdefault("status", {}), _DISRUPTED, now=rfc3339(datetime.now(UTC)))
        return pod

    if not options.dry_run:
        written = await update.change(records, call, call.endpoint, call.name, marked, part=update.STATUS)
        if options.resource_version:
            options = replace(options, resource_version=str(written.rv))
    await delete_object(records, call, call.endpoint, call.name, options)


def _has_ended(pod: Obj) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]


async def _ask_budget(
    records: Records, call: Call, endpoints: Endpoints, pod: Obj, *, dry_run: bool
) -> tuple[str, bool]:
    """Charge the budget that guards the pod. Returns (its name, whether the pod costs it nothing as it is now)."""
    if pod.get("status", {}).get("phase") == "Pending":
        return "", True
    await records.catch_up()  # a budget that was made a moment ago counts
    labels = pod["metadata"].get("labels", {})
    budgets = [b for b in records.each(BUDGETS, call.namespace) if _selects(b, labels)]
    if not budgets:
        return "", False
    if len(budgets) > 1:
        raise status.InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    name: str = budgets[0]["metadata"]["name"]
    endpoint = endpoints.stored_as(BUDGETS)
    if endpoint is None:
        raise status.internal_error("disruption budgets are not served")
    current = await records.get(endpoint, call.namespace, name)
    if not _is_ready(pod) and _lets_unhealthy_go(current.parse()):
        return name, True
    if dry_run:
        _charged(current, pod)
    else:
        await _charge(records, call, endpoint, name, pod)
    return name, False


async def _charge(records: Records, call: Call, endpoint: Endpoint, name: str, pod: Obj) -> None:
    await update.change(records, call, endpoint, name, lambda current: _charged(current, pod), part=update.STATUS)


def _selects(budget: Any, labels: dict[str, str]) -> bool:
    try:
        return LabelSelector.from_object(budget.get("spec", {}).get("selector")).matches(labels)
    except SelectorError:
        return False


def _is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _lets_unhealthy_go(budget: Obj) -> bool:
    """A pod that is not ready does not count, so its end disrupts nothing while enough others are well."""
    if budget.get("spec", {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    observed = budget.get("status", {})
    healthy: int = observed.get("currentHealthy", 0)
    desired: int = observed.get("desiredHealthy", 0)
    return 0 < desired <= healthy


def _charged(current: Current, pod: Obj) -> Obj:
    budget = current.parse()
    observed = budget.setdefault("status", {})
    name = budget["metadata"]["name"]
    if observed.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise still_processed(name)
    allowed = observed.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(observed.get("disruptedPods") or ()) > _MOST_DISRUPTED:
        raise _forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if not allowed:
        raise _refusal(
            f"The disruption budget {name} needs {observed.get('desiredHealthy', 0)} healthy pods and has "
            f"{observed.get('currentHealthy', 0)} currently"
        )
    observed["disruptionsAllowed"] = allowed - 1
    observed.setdefault("disruptedPods", {})[pod["metadata"]["name"]] = rfc3339(datetime.now(UTC))
    return budget


def still_processed(name: str) -> status.TooManyRequests:
    return _refusal(f"The disruption budget {name} is still being processed by the server.", retry=_RETRY_SECONDS)


def _forbidden(name: str, why: str) -> status.Forbidden:
    return status.Forbidden(
        f'poddisruptionbudget.policy "{name}" is forbidden: {why}',
        group="policy",
        kind="poddisruptionbudget",
        name=name,
    )


def _refusal(why: str, *, retry: int | None = None) -> status.TooManyRequests:
    return status.TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[status.Cause("DisruptionBudget", why)],
        retry_after_seconds=retry,
    )
