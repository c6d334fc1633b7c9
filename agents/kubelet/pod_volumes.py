"""One pod's volumes: made once, and those from ConfigMaps and Secrets brought up to date while it runs.

A running pod sees a change within `REFRESH_SECONDS`. What cannot be read then stays as it is.
"""

from __future__ import annotations

import asyncio

import structlog

from agents.kubelet.downward import PodFacts
from agents.kubelet.host import Host
from agents.kubelet.podspec import Obj, full_name, uid_of
from agents.kubelet.sources import Sources
from agents.kubelet.volumes import VolumeRefused, Volumes

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 60.0
_CHANGING = ("configMap", "secret", "downwardAPI", "projected")


class PodVolumes:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._made: dict[str, str] | None = None
        self._due: float | None = None

    async def make(self, pod: Obj) -> dict[str, str]:
        """Volume → path. Raises VolumeRefused."""
        if self._made is None:
            self._made = await self._all(pod)
            self._expect_changes(pod)
        return self._made

    async def _all(self, pod: Obj) -> dict[str, str]:
        folder = self._host.store.folder(uid_of(pod))
        if folder is None or not self._host.runs_processes:
            return {v["name"]: f"/volumes/{v['name']}" for v in pod["spec"].get("volumes") or ()}
        return await Volumes(folder, facts=self.facts(pod, ""), sources=self.sources(pod)).make()

    def sources(self, pod: Obj) -> Sources:
        folder = self._host.store.folder(uid_of(pod))
        return Sources(self._host.fetch, pod["metadata"]["namespace"], folder / "sources" if folder else None)

    def facts(self, pod: Obj, ip: str) -> PodFacts:
        node = pod["spec"]["nodeName"]
        return PodFacts(
            pod=pod,
            node=node,
            host_ip=self._host.runtime.node_address(node),
            pod_ip=ip,
            capacity=self._host.capacity,
        )

    def _expect_changes(self, pod: Obj) -> None:
        changing = any(kind in volume for volume in pod["spec"].get("volumes") or () for kind in _CHANGING)
        if changing and self._host.runs_processes:
            self._due = asyncio.get_running_loop().time() + REFRESH_SECONDS

    @property
    def due_seconds(self) -> float | None:
        """When to refresh them, from now; None: never."""
        return None if self._due is None else self._due - asyncio.get_running_loop().time()

    async def refresh(self, pod: Obj) -> None:
        self._due = None  # until it is done
        try:
            await self._all(pod)
        except VolumeRefused as err:
            log.info("a volume stays as it is", pod=full_name(pod), why=str(err))
        self._expect_changes(pod)
