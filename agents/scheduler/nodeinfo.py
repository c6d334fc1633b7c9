"""A node as the scheduler sees it. Heartbeats change nothing here, so equal nodes can be told by comparing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.scheduler.amounts import Amounts, allocatable
from apiserver.api.quantity import NotAQuantity

Obj = dict[str, Any]
Taint = tuple[str, str, str]
"""Key, value, effect."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool
    allocatable: Amounts


def read_node(node: Obj) -> NodeInfo:
    """A node that states its resources in words nobody understands has none."""
    spec = node.get("spec") or {}
    try:
        has = allocatable(node)
    except NotAQuantity:
        has = {}
    return NodeInfo(
        name=node["metadata"]["name"],
        labels=node["metadata"].get("labels") or {},
        taints=tuple((t.get("key", ""), t.get("value") or "", t.get("effect", "")) for t in spec.get("taints") or ()),
        unschedulable=bool(spec.get("unschedulable")),
        allocatable=has,
    )
