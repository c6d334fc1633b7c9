"""Which pods are where, as far as anybody knows: what was heard, and what was decided here and not heard of yet.

A placement is *assumed* from the decision on, so that the next decision counts it, until its change arrives, or until
`forget` because the binding failed. Answers say what happened, for the pods that wait for such things.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.scheduler.framework import NOTHING, Trigger
from agents.scheduler.nodeinfo import NodeInfo
from agents.scheduler.podinfo import PodInfo, PodKey
from agents.scheduler.snapshot import Snapshot


class _Assumed(NamedTuple):
    uid: str
    node: str


class Placements:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._assumed: dict[PodKey, _Assumed] = {}

    def assumed(self, pod: PodInfo) -> bool:
        """This very pod was placed here, and its change has not arrived."""
        held = self._assumed.get(pod.key)
        return held is not None and held.uid == pod.uid

    def assume(self, pod: PodInfo, node: str) -> None:
        self._assumed[pod.key] = _Assumed(pod.uid, node)
        self.snapshot.add_pod(pod, node)

    def forget(self, pod: PodInfo) -> Trigger:
        """The binding failed. Does nothing when the pod was heard of meanwhile."""
        if not self.assumed(pod):
            return NOTHING
        del self._assumed[pod.key]
        return Trigger.POD_REMOVED if self.snapshot.remove_pod(pod.key) else NOTHING

    def hear(self, pod: PodInfo) -> Trigger:
        """A pod that is there and not finished, bound or not."""
        if not pod.node_name:
            return self._hear_unbound(pod)
        self._assumed.pop(pod.key, None)
        before = self.snapshot.placed(pod.key)
        if before is None:
            self.snapshot.add_pod(pod, pod.node_name)
            return Trigger.POD_PLACED
        known, node = before
        if node == pod.node_name and _counts_alike(known, pod):
            confirmed = not known.node_name
            self.snapshot.renew_pod(pod)
            return Trigger.POD_PLACED if confirmed else NOTHING
        self.snapshot.add_pod(pod, pod.node_name)
        return Trigger.POD_PLACED | Trigger.POD_REMOVED

    def _hear_unbound(self, pod: PodInfo) -> Trigger:
        held = self._assumed.get(pod.key)
        if held is None or held.uid != pod.uid:
            return self.gone(pod.key)
        self.snapshot.add_pod(pod, held.node)
        return NOTHING

    def gone(self, key: PodKey) -> Trigger:
        """The pod was deleted, or is finished."""
        self._assumed.pop(key, None)
        return Trigger.POD_REMOVED if self.snapshot.remove_pod(key) else NOTHING

    def set_node(self, node: NodeInfo) -> Trigger:
        before = self.snapshot.node(node.name)
        if before == node:
            return NOTHING
        self.snapshot.set_node(node)
        return Trigger.NODE_ADDED if before is None else Trigger.NODE_CHANGED

    def remove_node(self, name: str) -> Trigger:
        known = self.snapshot.node(name)
        self.snapshot.remove_node(name)
        return NOTHING if known is None else Trigger.NODE_REMOVED


def _counts_alike(one: PodInfo, other: PodInfo) -> bool:
    return (
        one.uid == other.uid
        and one.priority == other.priority
        and one.template is other.template
        and one.requests == other.requests
        and one.terminating == other.terminating
    )
