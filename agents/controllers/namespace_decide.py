"""What is left in a namespace that is being deleted, and how its conditions say so. Pure.

Upstream: pkg/controller/namespace/deletion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agents.client.resources import ResourceRef
from agents.controllers import pods as p

Obj = dict[str, Any]

FINALIZER_SECONDS = 15.0
"""How long finalizers are given before it is worth to look again."""

DISCOVERY_FAILURE = "NamespaceDeletionDiscoveryFailure"
PARSING_FAILURE = "NamespaceDeletionGroupVersionParsingFailure"
CONTENT_FAILURE = "NamespaceDeletionContentFailure"
CONTENT_REMAINING = "NamespaceContentRemaining"
FINALIZERS_REMAINING = "NamespaceFinalizersRemaining"

_FINE = {
    DISCOVERY_FAILURE: ("ResourcesDiscovered", "All resources successfully discovered"),
    PARSING_FAILURE: ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    CONTENT_FAILURE: ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    CONTENT_REMAINING: ("ContentRemoved", "All content successfully removed"),
    FINALIZERS_REMAINING: ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclass(slots=True)
class Left:
    """What is still in the namespace after one pass."""

    remaining: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    undiscovered: str = ""
    seconds: float = 0.0
    """How long the longest grace period of what is left goes on, about."""

    @property
    def empty(self) -> bool:
        return not self.remaining and not self.errors and not self.undiscovered

    def count(self, ref: ResourceRef, items: Iterable[Obj], now: datetime) -> None:
        """`items` are still there."""
        for item in items:
            place = f"{ref.resource}.{ref.group}"  # upstream writes the dot also for the core group
            self.remaining[place] = self.remaining.get(place, 0) + 1
            meta = item["metadata"]
            for finalizer in meta.get("finalizers", ()):
                self.finalizers[finalizer] = self.finalizers.get(finalizer, 0) + 1
                self.seconds = max(self.seconds, FINALIZER_SECONDS)
            if meta.get("deletionTimestamp"):
                left = (p.parse_time(meta["deletionTimestamp"]) - now).total_seconds()
                self.seconds = max(self.seconds, left)


def conditions(namespace: Obj, left: Left, now: datetime) -> list[Obj]:
    """The conditions that tell a user why the namespace is still there; conditions of others stay."""
    before = {c["type"]: c for c in namespace.get("status", {}).get("conditions", ())}
    trouble = _trouble(left)
    made = {kind: _condition(kind, trouble.get(kind), before.get(kind), now) for kind in _FINE}
    return list({**before, **made}.values())


def _trouble(left: Left) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if left.undiscovered:
        found[DISCOVERY_FAILURE] = ("DiscoveryFailed", left.undiscovered)
    if left.errors:
        said = f"Failed to delete all resource types, {len(left.errors)} remaining: {', '.join(sorted(left.errors))}"
        found[CONTENT_FAILURE] = ("ContentDeletionFailed", said)
    if left.remaining:
        said = ", ".join(sorted(f"{place} has {n} resource instances" for place, n in left.remaining.items()))
        found[CONTENT_REMAINING] = ("SomeResourcesRemain", f"Some resources are remaining: {said}")
    if left.finalizers:
        said = ", ".join(sorted(f"{name} in {n} resource instances" for name, n in left.finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {said}"
        found[FINALIZERS_REMAINING] = ("SomeFinalizersRemain", message)
    return found


def _condition(kind: str, trouble: tuple[str, str] | None, before: Obj | None, now: datetime) -> Obj:
    reason, message = trouble or _FINE[kind]
    value = "True" if trouble else "False"
    since = before["lastTransitionTime"] if before and before["status"] == value else p.stamp(now)
    return {"type": kind, "status": value, "lastTransitionTime": since, "reason": reason, "message": message}
