"""The cluster as decisions see it: nodes as rows of arrays, and the pods on them, counted in several ways.

Every change is applied as a difference, and `remove_pod` undoes `add_pod` exactly: a snapshot that followed any changes
equals one that is built anew. Pods may be on nodes that are not known (yet); they count as soon as the node appears.

Not here: which pods wait, and which placements are only assumed (`placements`). Nothing here does I/O or waits.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from agents.scheduler.codes import CodeColumn
from agents.scheduler.hostports import HostPorts
from agents.scheduler.labels import LabelIndex
from agents.scheduler.nodeinfo import NodeInfo, Taint
from agents.scheduler.podcounts import PodCounts, Question
from agents.scheduler.podinfo import PodInfo, PodKey
from agents.scheduler.resources import Resources
from agents.scheduler.rows import Column, Ints, Rows
from agents.scheduler.termcounts import TermCounts
from agents.scheduler.workloads import Workloads

T = TypeVar("T")
_REMEMBERED = 1024


class Snapshot:
    def __init__(self) -> None:
        self.rows = Rows()
        self.labels = LabelIndex(self.rows)
        self.resources = Resources(self.rows)
        self.ports = HostPorts(self.rows)
        self.terms = TermCounts(self.rows)
        self.taints: CodeColumn[tuple[Taint, ...]] = CodeColumn(self.rows)
        """The taints of each node as one value: there are few sets of taints, and each is judged once."""
        self.unschedulable: Column = self.rows.column()
        self.namespaces: dict[str, Mapping[str, str]] = {}
        """The labels of each namespace. Changed by `set_namespace`."""
        self.workloads = Workloads()
        self.version = 0
        """Rises with every change: while it stands still, what was refused would be refused again."""
        self._of_nodes: dict[Hashable, Any] = {}
        self._priorities: Counter[int] = Counter()
        self._nodes: dict[str, NodeInfo] = {}
        self._counts = PodCounts(self.rows)
        self._node_of: dict[PodKey, str] = {}
        self._on: dict[str, dict[PodKey, PodInfo]] = {}
        self._in: dict[str, dict[PodKey, PodInfo]] = {}

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.rows)

    def node(self, name: str) -> NodeInfo | None:
        return self._nodes.get(name)

    def nodes(self) -> Iterable[NodeInfo]:
        return self._nodes.values()

    def pods_on(self, node: str) -> Iterable[PodInfo]:
        return list(self._on.get(node, {}).values())

    def pods(self) -> Iterator[tuple[PodInfo, str]]:
        for key, node in self._node_of.items():
            yield self._on[node][key], node

    def set_node(self, node: NodeInfo) -> None:
        """Add it, or change it."""
        before = self._nodes.get(node.name)
        if before == node:
            return
        self._nodes[node.name] = node
        self.version += 1
        row = self.rows.row_of(node.name)
        if row is None:
            row = self.rows.take(node.name)
        if before is None or _asked(before) != _asked(node):
            self._of_nodes.clear()
        self.labels.set(row, node.labels)
        self.taints.set(row, node.taints or None)
        self.unschedulable.values[row] = node.unschedulable
        self.resources.set(row, node.allocatable)
        if before is None:
            self._count_all(node.name, row, 1)

    def remove_node(self, name: str) -> None:
        if self._nodes.pop(name, None) is None:
            return
        row = self.rows.row_of(name)
        if row is None:
            return
        self.version += 1
        self._of_nodes.clear()
        self._count_all(name, row, -1)
        self.labels.clear(row)
        self.taints.set(row, None)
        self.resources.clear(row)
        self.rows.free(name)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """None: it is gone. True when that was news."""
        if self.namespaces.get(name) == labels:
            return False
        self.version += 1
        if labels is None:
            del self.namespaces[name]
        else:
            self.namespaces[name] = labels
        return True

    def add_pod(self, pod: PodInfo, node: str) -> None:
        """Put a pod on a node. A pod of that name that was somewhere is there no more."""
        self.remove_pod(pod.key)
        self._node_of[pod.key] = node
        self._on.setdefault(node, {})[pod.key] = pod
        self._in.setdefault(pod.key.namespace, {})[pod.key] = pod
        self._priorities[pod.priority] += 1
        self.version += 1
        row = self.rows.row_of(node)
        if row is not None:
            self._count(pod, row, 1)

    def remove_pod(self, key: PodKey) -> tuple[PodInfo, str] | None:
        """What was taken off, and from where."""
        node = self._node_of.pop(key, None)
        if node is None:
            return None
        pod = self._on[node].pop(key)
        del self._in[key.namespace][key]
        self._priorities[pod.priority] -= 1
        self.version += 1
        if not self._priorities[pod.priority]:
            del self._priorities[pod.priority]
        row = self.rows.row_of(node)
        if row is not None:
            self._count(pod, row, -1)
        for held, name in ((self._on, node), (self._in, key.namespace)):
            if not held[name]:
                del held[name]
        return pod, node

    def any_below(self, priority: int) -> bool:
        """Is there a pod on a node that is less important than this?"""
        return any(held < priority for held in self._priorities)

    def placed(self, key: PodKey) -> tuple[PodInfo, str] | None:
        node = self._node_of.get(key)
        return None if node is None else (self._on[node][key], node)

    def renew_pod(self, pod: PodInfo) -> None:
        """Another state of a pod that is placed and counts as it did, its priority included."""
        self._on[self._node_of[pod.key]][pod.key] = pod
        self._in[pod.key.namespace][pod.key] = pod

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, kept until a node comes or goes or its labels, taints or schedulability change. It must
        depend on nothing else, and nobody may change it."""
        if key not in self._of_nodes:
            if len(self._of_nodes) >= _REMEMBERED:
                self._of_nodes.clear()
            self._of_nodes[key] = make()
        found: T = self._of_nodes[key]
        return found

    def count(self, question: Question) -> Ints:
        """How many of these pods are on each node."""
        return self._counts.ask(question, self._placed(question))

    @contextlib.contextmanager
    def with_pods(self, more: Iterable[tuple[PodInfo, str]]) -> Iterator[None]:
        """As if these pods were there, too. None of them may be there already."""
        keys = []
        try:
            for pod, node in more:
                self.add_pod(pod, node)
                keys.append(pod.key)
            yield
        finally:
            for key in keys:
                self.remove_pod(key)

    def _placed(self, question: Question) -> Iterator[tuple[PodInfo, int]]:
        namespaces = question.all_of[0].namespaces
        for namespace in self._in if namespaces is None else namespaces:
            for key, pod in self._in.get(namespace, {}).items():
                row = self.rows.row_of(self._node_of[key])
                if row is not None:
                    yield pod, row

    def _count_all(self, node: str, row: int, by: int) -> None:
        for pod in self._on.get(node, {}).values():
            self._count(pod, row, by)

    def _count(self, pod: PodInfo, row: int, by: int) -> None:
        self.resources.change(pod, row, by)
        self.ports.change(pod.template.ports, row, by)
        self.terms.change(pod, row, by)
        self._counts.change(pod, row, by)


def _asked(node: NodeInfo) -> tuple[object, ...]:
    return node.labels, node.taints, node.unschedulable
