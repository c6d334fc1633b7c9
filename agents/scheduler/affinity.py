"""Terms of inter-pod affinity, read once: which pods they speak of, and over which topology."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from apiserver.api.selectors import LabelSelector, Requirement

Obj = Mapping[str, Any]
Namespaces = Mapping[str, Mapping[str, str]]
"""The labels of each namespace."""


class TermKind(Enum):
    REQUIRED = "required affinity"
    REQUIRED_ANTI = "required anti-affinity"
    PREFERRED = "preferred affinity"
    PREFERRED_ANTI = "preferred anti-affinity"


@dataclass(frozen=True, slots=True)
class Term:
    """A PodAffinityTerm as its owner means it: namespaces are resolved, label keys are part of the selector."""

    kind: TermKind
    topology_key: str
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    selector: LabelSelector
    weight: int = 0

    def speaks_of(self, namespace: str, labels: Mapping[str, str], namespaces: Namespaces) -> bool:
        return self.selector.matches(labels) and self.covers(namespace, namespaces)

    def covers(self, namespace: str, namespaces: Namespaces) -> bool:
        if namespace in self.namespaces:
            return True
        return self.namespace_selector is not None and self.namespace_selector.matches(namespaces.get(namespace, {}))

    def resolve(self, namespaces: Namespaces) -> frozenset[str] | None:
        """The namespaces that it covers now; None is all of them."""
        if self.namespace_selector is None:
            return self.namespaces
        if self.namespace_selector.is_empty:
            return None
        chosen = (name for name, labels in namespaces.items() if self.namespace_selector.matches(labels))
        return self.namespaces.union(chosen)


def terms_of(affinity: Obj, namespace: str, labels: Mapping[str, str]) -> tuple[Term, ...]:
    """Every term of a pod's `podAffinity` and `podAntiAffinity`. Raises SelectorError."""
    found: list[Term] = []
    for field, required, preferred in (
        ("podAffinity", TermKind.REQUIRED, TermKind.PREFERRED),
        ("podAntiAffinity", TermKind.REQUIRED_ANTI, TermKind.PREFERRED_ANTI),
    ):
        section = affinity.get(field) or {}
        hard = section.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        found += [_term(required, term, namespace, labels, 0) for term in hard]
        for weighted in section.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            term, weight = weighted.get("podAffinityTerm") or {}, int(weighted.get("weight") or 0)
            found.append(_term(preferred, term, namespace, labels, weight))
    return tuple(found)


def _term(kind: TermKind, term: Obj, namespace: str, labels: Mapping[str, str], weight: int) -> Term:
    named = term.get("namespaces") or ()
    by_labels = term.get("namespaceSelector")
    selector = with_label_keys(
        LabelSelector.from_object(term.get("labelSelector")),
        labels,
        same=term.get("matchLabelKeys") or (),
        other=term.get("mismatchLabelKeys") or (),
    )
    return Term(
        kind=kind,
        topology_key=term.get("topologyKey", ""),
        namespaces=frozenset(named) if named or by_labels is not None else frozenset((namespace,)),
        namespace_selector=None if by_labels is None else LabelSelector.from_object(by_labels),
        selector=selector,
        weight=weight,
    )


def with_label_keys(
    selector: LabelSelector, labels: Mapping[str, str], *, same: Iterable[str] = (), other: Iterable[str] = ()
) -> LabelSelector:
    """The selector, narrowed to pods with the same (or another) value of these keys as the labels have."""
    if selector == LabelSelector.nothing():
        return selector
    more = [Requirement(key, "in", (labels[key],)) for key in same if key in labels]
    more += [Requirement(key, "notin", (labels[key],)) for key in other if key in labels]
    return LabelSelector([*selector.requirements, *more]) if more else selector
