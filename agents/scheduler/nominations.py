"""Pods that were promised a node and wait for its victims to go. They are counted there against less important ones."""

from __future__ import annotations

from collections.abc import Sequence

from agents.scheduler.podinfo import PodInfo, PodKey


class Nominations:
    def __init__(self) -> None:
        self._held: dict[PodKey, tuple[PodInfo, str]] = {}

    def put(self, pod: PodInfo, node: str) -> None:
        """An empty node takes the promise back."""
        if node:
            self._held[pod.key] = (pod, node)
        else:
            self._held.pop(pod.key, None)

    def drop(self, key: PodKey) -> bool:
        """True when there was one."""
        return self._held.pop(key, None) is not None

    def all(self) -> Sequence[tuple[PodInfo, str]]:
        return list(self._held.values())

    def on(self, node: str) -> Sequence[PodInfo]:
        return [pod for pod, where in self._held.values() if where == node]
