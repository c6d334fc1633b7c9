"""Whether a pod may run on this node: what the scheduler has checked, checked again where it counts. Pure.

A pod may come here past the scheduler (`nodeName` in its spec, a binding by hand), or two schedulers may have counted
on the same room. A refused pod is Failed for good. Upstream: pkg/kubelet/lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.api.kinds._amounts import UNIT, amount
from apiserver.api.kinds._pod_resources import aggregate
from apiserver.api.scheduling import match_node_selector_terms

Obj = dict[str, Any]

_STANDARD = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NodeView:
    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    operating_system: str


def refusal(pod: Obj, node: NodeView, others: Iterable[Obj]) -> Refusal | None:
    """None: the pod may run beside `others`, which are those of this node that have not ended."""
    system = (pod["spec"].get("os") or {}).get("name")
    if system and system != node.operating_system:
        return Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    beside = list(others)
    return _resources(pod, node, beside) or _affinity(pod, node) or _ports(pod, beside)


def _resources(pod: Obj, node: NodeView, others: list[Obj]) -> Refusal | None:
    pods = int(node.allocatable.get("pods", "0"))
    if len(others) + 1 > pods:
        return _out_of("pods", 1, len(others), pods)
    wanted, taken = requests(pod), [requests(other) for other in others]
    for resource, asked in wanted.items():
        if resource not in _STANDARD and resource not in node.allocatable:
            continue  # a resource of the cluster, not of nodes
        has = amount(node.allocatable.get(resource, "0"))
        used = sum(one.get(resource, 0) for one in taken)
        if asked and used + asked > has:
            return _out_of(resource, *(_shown(resource, n) for n in (asked, used, has)))
    return None


def requests(pod: Obj) -> dict[str, int]:
    """In billionths."""
    totals = aggregate(pod["spec"], "requests")
    whole = (pod["spec"].get("resources") or {}).get("requests") or {}
    totals.update({name: amount(value) for name, value in whole.items()})
    for name, value in (pod["spec"].get("overhead") or {}).items():
        totals[name] = totals.get(name, 0) + amount(value)
    return totals


def _shown(resource: str, billionths: int) -> int:
    """Thousandths of CPUs, whole bytes."""
    return -(-billionths // (UNIT // 1000 if resource == "cpu" else UNIT))


def _out_of(resource: str, asked: int, used: int, has: int) -> Refusal:
    return Refusal(
        f"OutOf{resource}",
        f"Node didn't have enough resource: {resource}, requested: {asked}, used: {used}, capacity: {has}",
    )


def _affinity(pod: Obj, node: NodeView) -> Refusal | None:
    spec = pod["spec"]
    selector = spec.get("nodeSelector") or {}
    fits = all(node.labels.get(k) == v for k, v in selector.items())
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is not None:
        terms = required.get("nodeSelectorTerms") or ()
        fits = fits and match_node_selector_terms(terms, labels=node.labels, fields={"metadata.name": node.name})
    if fits:
        return None
    return Refusal("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")


def _ports(pod: Obj, others: list[Obj]) -> Refusal | None:
    wanted = host_ports(pod)
    if wanted and any(_clash(mine, theirs) for other in others for theirs in host_ports(other) for mine in wanted):
        return Refusal(
            "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        )
    return None


def host_ports(pod: Obj) -> set[tuple[str, int, str]]:
    """(protocol, port, address) of every port of the node that the pod takes."""
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *_sidecars(spec)]
    return {
        (port.get("protocol") or "TCP", int(port["hostPort"]), port.get("hostIP") or "0.0.0.0")  # noqa: S104
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _sidecars(spec: Obj) -> list[Obj]:
    return [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]


def _clash(mine: tuple[str, int, str], theirs: tuple[str, int, str]) -> bool:
    anywhere = "0.0.0.0"  # noqa: S104  a port on all addresses meets one on each of them
    return mine[:2] == theirs[:2] and (mine[2] == theirs[2] or anywhere in (mine[2], theirs[2]))
