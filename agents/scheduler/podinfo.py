"""A pod as the scheduler sees it. What equal pods share is read once and kept (`Template`).

Two pods have the same template when everything that placement looks at is equal: namespace, labels, owner, resources,
ports, node selector, affinity, tolerations, spread constraints. So a template may be the key of what was worked out for
it, however its pods came about.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from agents.scheduler import amounts
from agents.scheduler.affinity import Term, terms_of, with_label_keys
from agents.scheduler.amounts import Amounts
from apiserver.api.quantity import NotAQuantity
from apiserver.api.selectors import LabelSelector, SelectorError

Obj = dict[str, Any]

SCHEDULER_NAME = "default-scheduler"
ANY = "0.0.0.0"  # noqa: S104 - how Kubernetes writes "all addresses"; nothing listens here
_REMEMBERED = 4096


class Unreadable(ValueError):
    """The pod holds something that validation would have refused; it cannot be placed nor counted."""


class PodKey(NamedTuple):
    namespace: str
    name: str


class HostPort(NamedTuple):
    ip: str
    protocol: str
    port: int


class Owner(NamedTuple):
    """The controller of a pod."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Spread:
    """A topologySpreadConstraint."""

    topology_key: str
    max_skew: int
    hard: bool
    selector: LabelSelector
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Template:
    """Compared by identity: equal templates are one object, as long as it is remembered."""

    namespace: str
    labels: Mapping[str, str]
    owner: Owner | None
    requests: Amounts
    scored: tuple[int, int]
    """Cpu and memory as they count in scores: with defaults for containers that ask for nothing."""
    ports: Sequence[HostPort]
    node_selector: Mapping[str, str]
    required_terms: Sequence[Obj] | None
    """Node selector terms of which one must hold; None asks for nothing, while no terms can never hold."""
    preferred_terms: Sequence[Obj]
    tolerations: Sequence[Obj]
    node_key: bytes
    """Equal for templates that ask the same of nodes, whatever pods are on them."""
    terms: Sequence[Term]
    spread: Sequence[Spread]


@dataclass(frozen=True, slots=True, eq=False)
class PodInfo:
    key: PodKey
    uid: str
    template: Template
    priority: int
    created: str
    started: str
    node_name: str
    may_preempt: bool
    terminating: bool
    preempted: bool
    """On its way out, and the scheduler is why."""
    nominated: str
    requests: Amounts
    """Those of the template, or more while a resize is under way."""


class Reader:
    """Reads pods, and remembers templates, the least recently used are forgotten first."""

    def __init__(self) -> None:
        self._templates: OrderedDict[bytes, Template] = OrderedDict()

    def read(self, pod: Obj) -> PodInfo:
        """Raises Unreadable."""
        try:
            return self._read(pod)
        except (NotAQuantity, SelectorError, TypeError) as err:
            meta = pod["metadata"]
            raise Unreadable(f"{meta.get('namespace', '')}/{meta['name']}: {err}") from err

    def _read(self, pod: Obj) -> PodInfo:
        meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        template = self._template(meta, spec)
        terminating = bool(meta.get("deletionTimestamp"))
        return PodInfo(
            key=PodKey(meta.get("namespace", ""), meta["name"]),
            uid=meta.get("uid", ""),
            template=template,
            priority=int(spec.get("priority") or 0),
            created=meta.get("creationTimestamp") or "",
            started=status.get("startTime") or "",
            node_name=spec.get("nodeName") or "",
            may_preempt=spec.get("preemptionPolicy") != "Never",
            terminating=terminating,
            preempted=terminating and _preempted(status),
            nominated=status.get("nominatedNodeName") or "",
            requests=_charged(template, spec, status),
        )

    def _template(self, meta: Obj, spec: Obj) -> Template:
        key = orjson.dumps(_relevant(meta, spec), option=orjson.OPT_SORT_KEYS)
        found = self._templates.get(key)
        if found is not None:
            self._templates.move_to_end(key)
            return found
        made = self._templates[key] = _template(meta, spec)
        if len(self._templates) > _REMEMBERED:
            self._templates.popitem(last=False)
        return made


def wanted(pod: Obj) -> bool:
    """Waits for this scheduler to place it."""
    spec, meta = pod["spec"], pod["metadata"]
    return (
        not spec.get("nodeName")
        and not meta.get("deletionTimestamp")
        and (spec.get("schedulerName") or SCHEDULER_NAME) == SCHEDULER_NAME
        and not finished(pod)
    )


def gated(pod: Obj) -> bool:
    """Is not to be placed yet."""
    return bool(pod["spec"].get("schedulingGates"))


def finished(pod: Obj) -> bool:
    """Holds nothing on its node any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _preempted(status: Obj) -> bool:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget":
            return (condition.get("status"), condition.get("reason")) == ("True", "PreemptionByScheduler")
    return False


def _charged(template: Template, spec: Obj, status: Obj) -> Amounts:
    held = amounts.allocated(status) if spec.get("nodeName") else {}
    return amounts.pod_requests(spec, floors=held) if held else template.requests


def _relevant(meta: Obj, spec: Obj) -> list[Any]:
    return [
        meta.get("namespace", ""),
        meta.get("labels"),
        list(_owner(meta) or ()),
        [_container(c) for c in spec.get("containers") or ()],
        [_container(c) for c in spec.get("initContainers") or ()],
        spec.get("resources"),
        spec.get("overhead"),
        spec.get("hostNetwork"),
        spec.get("nodeSelector"),
        spec.get("affinity"),
        spec.get("tolerations"),
        spec.get("topologySpreadConstraints"),
    ]


def _container(container: Obj) -> list[Any]:
    return [(container.get("resources") or {}).get("requests"), container.get("ports"), container.get("restartPolicy")]


def _owner(meta: Obj) -> Owner | None:
    for reference in meta.get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(reference.get("apiVersion", ""), reference.get("kind", ""), reference.get("name", ""))
    return None


def _template(meta: Obj, spec: Obj) -> Template:
    affinity = spec.get("affinity") or {}
    nodes = affinity.get("nodeAffinity") or {}
    required = nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
    labels, namespace = meta.get("labels") or {}, meta.get("namespace", "")
    asks = [spec.get("nodeSelector"), nodes, spec.get("tolerations")]
    return Template(
        namespace=namespace,
        labels=labels,
        owner=_owner(meta),
        requests=amounts.pod_requests(spec),
        scored=amounts.scored_requests(spec),
        ports=_ports(spec),
        node_selector=spec.get("nodeSelector") or {},
        required_terms=None if required is None else required.get("nodeSelectorTerms") or (),
        preferred_terms=nodes.get("preferredDuringSchedulingIgnoredDuringExecution") or (),
        tolerations=spec.get("tolerations") or (),
        node_key=orjson.dumps(asks, option=orjson.OPT_SORT_KEYS),
        terms=terms_of(affinity, namespace, labels),
        spread=tuple(_spread(c, labels) for c in spec.get("topologySpreadConstraints") or ()),
    )


def _ports(spec: Obj) -> tuple[HostPort, ...]:
    """Ports of the node itself. Those of init containers count only while they stay: for sidecars."""
    staying = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    found: dict[HostPort, None] = {}
    for container in [*(spec.get("containers") or ()), *staying]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else 0)
            if number:
                found[HostPort(port.get("hostIP") or ANY, port.get("protocol") or "TCP", int(number))] = None
    return tuple(found)


def _spread(constraint: Obj, labels: Mapping[str, str]) -> Spread:
    selector = LabelSelector.from_object(constraint.get("labelSelector"))
    return Spread(
        topology_key=constraint.get("topologyKey", ""),
        max_skew=int(constraint.get("maxSkew") or 1),
        hard=constraint.get("whenUnsatisfiable") != "ScheduleAnyway",
        selector=with_label_keys(selector, labels, same=constraint.get("matchLabelKeys") or ()),
        min_domains=int(constraint.get("minDomains") or 1),
        honor_affinity=constraint.get("nodeAffinityPolicy") != "Ignore",
        honor_taints=constraint.get("nodeTaintsPolicy") == "Honor",
    )
