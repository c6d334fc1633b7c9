"""Node affinity that names its nodes, as pods of DaemonSets have: all other nodes are out before anything is asked.

Upstream: the PreFilter of NodeAffinity. It says less about those nodes, in words of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.scheduler.framework import Check, Refusal, Trigger
from agents.scheduler.labels import NAME
from agents.scheduler.podinfo import PodInfo, Template
from agents.scheduler.snapshot import Snapshot

REASON = "node(s) didn't satisfy plugin(s) [NodeAffinity]"


class NodeAffinityNames:
    name = "NodeAffinity"
    weight = 0
    static = True
    helped_by = Trigger.NODE_ADDED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        names = _names(pod.template)
        if names is None:
            return None
        others = snapshot.rows.valid.copy()
        for name in names:
            row = snapshot.rows.row_of(name)
            if row is not None:
                others[row] = False
        return _Check([Refusal(others, REASON, final=True)])


@dataclass(frozen=True, slots=True)
class _Check(Check):
    refusals: Sequence[Refusal]

    def refuse(self) -> Sequence[Refusal]:
        return self.refusals


def _names(template: Template) -> set[str] | None:
    """The only nodes that any term may hold for; None when a term names none, or there are no terms."""
    found: set[str] = set()
    for term in template.required_terms or ():
        named = _named_by(term)
        if named is None:
            return None
        found |= named
    return found if template.required_terms else None


def _named_by(term: Mapping[str, Any]) -> set[str] | None:
    found: set[str] | None = None
    for field in term.get("matchFields") or ():
        if field.get("key") == NAME and field.get("operator") == "In":
            values = set(field.get("values") or ())
            found = values if found is None else found & values
    return found
