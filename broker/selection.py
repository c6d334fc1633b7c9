"""What a subscription selects, as filter subjects. Pure.

A selection names resources, or single objects of them, and may narrow them to a namespace, and pods to those bound to a
node. Its filters never overlap,
since JetStream refuses a consumer whose filters do: a filter that another one covers is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from broker import subjects

ANY = "*"
PODS = ("", "pods")


@dataclass(frozen=True, slots=True, order=True)
class SelectedResource:
    """`ANY` as the resource means every one of the group; as the group, which needs ANY as the resource, everything.
    With a name, only the object of that name, in whatever namespace."""

    group: str
    resource: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    resources: tuple[SelectedResource, ...]
    namespace: str = ""
    node: str = ""

    @classmethod
    def of(cls, resources: Iterable[tuple[str, str]], *, namespace: str = "", node: str = "") -> Selection:
        """`resources`: pairs of group and plural name."""
        return cls(tuple(SelectedResource(group, resource) for group, resource in resources), namespace, node)

    def filters(self) -> Sequence[str]:
        """Sorted, none of them within another."""
        made = {self._filter(one) for one in self.resources if not self._is_covered(one)}
        return sorted(made)

    def _filter(self, one: SelectedResource) -> str:
        return subjects.filter_for(
            group=None if one.group == ANY else one.group,
            resource=None if one.resource == ANY else one.resource,
            namespace=self.namespace or None,
            name=one.name or None,
            node=self.node if self.node and (one.group, one.resource) == PODS else None,
        )

    def _is_covered(self, one: SelectedResource) -> bool:
        return any(other != one and _covers(other, one) for other in self.resources)


def _covers(wide: SelectedResource, narrow: SelectedResource) -> bool:
    if wide.group == ANY:
        return True
    if wide.name or wide.group != narrow.group:
        return False
    return wide.resource in (ANY, narrow.resource)


def consumer_name(subscription: str) -> str:
    """The JetStream consumer of a Subscription: its name, with what NATS does not allow percent-encoded."""
    return subjects.encode(subscription)
