"""What is decided about one pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agents.scheduler.framework import Trigger

NO_NODES = "no nodes available to schedule pods"


@dataclass(frozen=True, slots=True)
class Chosen:
    node: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No node will do."""

    nodes: int
    reasons: Mapping[str, int]
    """How many nodes are ruled out for each reason; a node may have several."""
    plugins: frozenset[str]
    """Who ruled nodes out."""
    helped_by: Trigger
    """After what it may be worth asking again."""
    resolvable: tuple[str, ...]
    """The nodes on which removing pods might help."""

    @property
    def message(self) -> str:
        if not self.nodes:
            return NO_NODES
        return unavailable(self.nodes, self.reasons)


Decision = Chosen | Refused


def unavailable(nodes: int, reasons: Mapping[str, int]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` in upstream's order: as text."""
    told = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{nodes} nodes are available:" + (f" {told}." if told else "")
