"""The filters once more: node by node, pod by pod, from the objects as the API has them, as slow and plain as can be.

What the arrays answer must be what this answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.scheduler.amounts import allocatable, pod_requests
from apiserver.api.scheduling import match_node_selector_terms, tolerates, untolerated
from apiserver.api.selectors import LabelSelector

Obj = dict[str, Any]


@dataclass
class Reference:
    nodes: Sequence[Obj]
    pods: Sequence[Obj]
    """Those on nodes."""

    def reasons(self, pod: Obj, node: Obj) -> list[str]:
        """Why the node will not do, by the first plugin that says so."""
        for plugin in (
            self._cordoned,
            self._tainted,
            self._node_affinity,
            self._ports,
            self._fit,
            self._spread,
            self._affinity,
        ):
            if found := plugin(pod, node):
                return found
        return []

    def _cordoned(self, pod: Obj, node: Obj) -> list[str]:
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        if node["spec"].get("unschedulable") and not tolerates(taint, _tolerations(pod)):
            return ["node(s) were unschedulable"]
        return []

    def _tainted(self, pod: Obj, node: Obj) -> list[str]:
        return ["node(s) had untolerated taint(s)"] if _repelled(pod, node) else []

    def _node_affinity(self, pod: Obj, node: Obj) -> list[str]:
        return [] if _wants(pod, node) else ["node(s) didn't match Pod's node affinity/selector"]

    def _ports(self, pod: Obj, node: Obj) -> list[str]:
        taken = [port for other in self._on(node) for port in _ports(other)]
        for ip, protocol, number in _ports(pod):
            for other_ip, other_protocol, other_number in taken:
                same_address = ip == other_ip or "0.0.0.0" in (ip, other_ip)  # noqa: S104
                if same_address and (protocol, number) == (other_protocol, other_number):
                    return ["node(s) didn't have free ports for the requested pod ports"]
        return []

    def _fit(self, pod: Obj, node: Obj) -> list[str]:
        has, here = allocatable(node), list(self._on(node))
        found = ["Too many pods"] if len(here) + 1 > has.get("pods", 0) else []
        for name, value in pod_requests(pod["spec"]).items():
            used = sum(pod_requests(p["spec"]).get(name, 0) for p in here)
            if value and value > has.get(name, 0) - used:
                found.append(f"Insufficient {name}")
        return found

    def _spread(self, pod: Obj, node: Obj) -> list[str]:
        reason = "node(s) didn't match pod topology spread constraints"
        hard = [c for c in _constraints(pod) if c["whenUnsatisfiable"] == "DoNotSchedule"]
        for constraint in hard:
            key = constraint["topologyKey"]
            if key not in _labels(node):
                return [f"{reason} (missing required label)"]
            counts = self._domains(pod, constraint, [c["topologyKey"] for c in hard])
            least = min(counts.values()) if len(counts) >= constraint.get("minDomains", 1) else 0
            itself = int(LabelSelector.from_object(constraint["labelSelector"]).matches(_labels(pod)))
            if counts.get(_labels(node)[key], 0) + itself - least > constraint["maxSkew"]:
                return [reason]
        return []

    def _domains(self, pod: Obj, constraint: Obj, keys: Sequence[str]) -> dict[str, int]:
        counts: dict[str, int] = {}
        selector = LabelSelector.from_object(constraint["labelSelector"])
        for node in self.nodes:
            if not all(key in _labels(node) for key in keys):
                continue
            if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not _wants(pod, node):
                continue
            if constraint.get("nodeTaintsPolicy", "Ignore") == "Honor" and _repelled(pod, node):
                continue
            value = _labels(node)[constraint["topologyKey"]]
            counts[value] = counts.get(value, 0) + sum(
                selector.matches(_labels(p)) and _namespace(p) == _namespace(pod) and not _leaving(p)
                for p in self._on(node)
            )
        return counts

    def _affinity(self, pod: Obj, node: Obj) -> list[str]:
        if not self._near(pod, node):
            return ["node(s) didn't match pod affinity rules"]
        for term in _terms(pod, "podAntiAffinity"):
            if any(_means(term, pod, p) and self._together(term, node, p) for p in self.pods):
                return ["node(s) didn't match pod anti-affinity rules"]
        for other in self.pods:
            for term in _terms(other, "podAntiAffinity"):
                if _means(term, other, pod) and self._together(term, node, other):
                    return ["node(s) didn't satisfy existing pods anti-affinity rules"]
        return []

    def _near(self, pod: Obj, node: Obj) -> bool:
        terms = _terms(pod, "podAffinity")
        if not all(term["topologyKey"] in _labels(node) for term in terms):
            return False
        meant = [p for p in self.pods if all(_means(term, pod, p) for term in terms)]
        if all(any(self._together(term, node, p) for p in meant) for term in terms):
            return True
        anywhere = any(term["topologyKey"] in _labels(self._node(p)) for term in terms for p in meant)
        return not anywhere and all(_means(term, pod, pod) for term in terms)

    def _together(self, term: Obj, node: Obj, other: Obj) -> bool:
        """In one domain of the term's topology."""
        value = _labels(node).get(term["topologyKey"])
        return value is not None and _labels(self._node(other)).get(term["topologyKey"]) == value

    def _on(self, node: Obj) -> list[Obj]:
        return [p for p in self.pods if p["spec"]["nodeName"] == node["metadata"]["name"]]

    def _node(self, pod: Obj) -> Obj:
        return next(n for n in self.nodes if n["metadata"]["name"] == pod["spec"]["nodeName"])


def _labels(obj: Obj) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _namespace(obj: Obj) -> str:
    return str(obj["metadata"]["namespace"])


def _leaving(pod: Obj) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _tolerations(pod: Obj) -> Sequence[Obj]:
    return pod["spec"].get("tolerations") or []


def _repelled(pod: Obj, node: Obj) -> bool:
    taints = node["spec"].get("taints") or []
    return untolerated(taints, _tolerations(pod), effects=("NoSchedule", "NoExecute")) is not None


def _wants(pod: Obj, node: Obj) -> bool:
    labels, fields = _labels(node), {"metadata.name": node["metadata"]["name"]}
    if any(labels.get(k) != v for k, v in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    section = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = section.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or match_node_selector_terms(required["nodeSelectorTerms"], labels=labels, fields=fields)


def _ports(pod: Obj) -> list[tuple[str, str, int]]:
    ports = [p for c in pod["spec"]["containers"] for p in c["ports"] if p.get("hostPort")]
    return [(p.get("hostIP") or "0.0.0.0", p["protocol"], p["hostPort"]) for p in ports]  # noqa: S104


def _constraints(pod: Obj) -> Sequence[Obj]:
    return pod["spec"].get("topologySpreadConstraints") or []


def _terms(pod: Obj, field: str) -> Sequence[Obj]:
    section = (pod["spec"].get("affinity") or {}).get(field) or {}
    found: Sequence[Obj] = section.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    return found


def _means(term: Obj, owner: Obj, pod: Obj) -> bool:
    namespaces = term.get("namespaces") or [_namespace(owner)]
    return _namespace(pod) in namespaces and LabelSelector.from_object(term["labelSelector"]).matches(_labels(pod))
