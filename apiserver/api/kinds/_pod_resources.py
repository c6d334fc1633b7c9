"""Resources of a pod as a whole: what its containers add up to, and the pod-level figures derived from that.

Init containers run one after another before the others, so they count by the largest; sidecars (init containers
that restart) stay and so add up with everything that comes after them.
"""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value
from apiserver.api.kinds._amounts import amount, written
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._resources import HUGE_PAGES, check_requirements, may_overcommit

Spec = dict[str, Any]
Totals = dict[str, int]


def _add(totals: Totals, part: Spec) -> None:
    for name, value in part.items():
        totals[name] = totals.get(name, 0) + amount(value)


def _raise_to(totals: Totals, floor: Totals) -> None:
    for name, value in floor.items():
        totals[name] = max(totals.get(name, 0), value)


def aggregate(spec: Spec, field: str) -> Totals:
    """What the containers of a pod need together, by resource; `field` is `requests` or `limits`."""
    totals: Totals = {}
    for container in spec.get("containers") or ():
        _add(totals, (container.get("resources") or {}).get(field) or {})
    sidecars: Totals = {}
    while_starting: Totals = {}
    for container in spec.get("initContainers") or ():
        own = (container.get("resources") or {}).get(field) or {}
        if container.get("restartPolicy") == "Always":
            _add(totals, own)
            _add(sidecars, own)
            _raise_to(while_starting, sidecars)
        else:
            moment = dict(sidecars)
            _add(moment, own)
            _raise_to(while_starting, moment)
    _raise_to(totals, while_starting)
    return totals


def _for_pods(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith(HUGE_PAGES)


def _default_huge_page_limits(resources: Spec, spec: Spec) -> None:
    limits = dict(resources.get("limits") or {})
    for name, total in aggregate(spec, "limits").items():
        if name.startswith(HUGE_PAGES) and name not in (resources.get("requests") or {}):
            limits.setdefault(name, written(total))
    if limits:
        resources["limits"] = limits


def _default_requests(resources: Spec, spec: Spec) -> None:
    limits = resources.get("limits")
    if not limits:
        return
    requests = dict(resources.get("requests") or {})
    for name, total in aggregate(spec, "requests").items():
        if _for_pods(name) and may_overcommit(name):
            requests.setdefault(name, written(total))
    for name, limit in limits.items():
        if _for_pods(name):
            requests.setdefault(name, limit)
    if requests:
        resources["requests"] = requests


def default_pod_level_resources(spec: Spec) -> None:
    """Fill in the pod's own requests and limits, where it states some, from those of its containers."""
    resources = spec["resources"]
    if resources.get("limits") or resources.get("requests"):
        _default_huge_page_limits(resources, spec)
    _default_requests(resources, spec)


def _check_limits_within(spec: Spec, path: str, errors: Errors) -> None:
    limits = spec["resources"].get("limits") or {}
    for i, container in enumerate(spec.get("containers") or ()):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and amount(value) > amount(limits[name]):
                complaint = f"must be less than or equal to pod limits of {limits[name]}"
                where = f"{path}.containers[{i}][{name}].limits"
                errors.append(invalid_value(where, value, complaint))


def check_pod_level_resources(spec: Spec, path: str, errors: Errors) -> None:
    resources = spec["resources"]
    if resources.get("claims") is not None:
        errors.append(forbidden(f"{path}.claims", "claims cannot be set for Resources at pod-level"))
    check_requirements({k: v for k, v in resources.items() if k != "claims"}, path, errors)
    requests = resources.get("requests") or {}
    for name, total in aggregate(spec, "requests").items():
        own = requests.get(name, "0")
        if total > amount(own):
            complaint = f"must be greater than or equal to aggregate container requests of {written(total)}"
            errors.append(invalid_value(f"{path}.requests[{name}]", own, complaint))
    _check_limits_within(spec, path, errors)
