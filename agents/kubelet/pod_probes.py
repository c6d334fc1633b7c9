"""The probes of one pod: begun with each container that runs, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.client.events import EventType
from agents.kubelet.host import Host
from agents.kubelet.podspec import Obj, all_containers, init_containers, is_sidecar, named, stated, uid_of
from agents.kubelet.probes import ContainerProbes
from agents.kubelet.probing import Target
from agents.kubelet.runtime import Container, ContainerId, ContainerState

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

Tell = Callable[[str, EventType, str, str], None]
"""(container, type, reason, message) of an Event."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes say now."""

    ready: frozenset[ContainerId]
    started: frozenset[ContainerId]
    unhealthy: dict[ContainerId, str]


class PodProbes:
    def __init__(self, host: Host, tell: Tell) -> None:
        self._host = host
        self._tell = tell
        self._probes: dict[ContainerId, ContainerProbes] = {}
        self.ending = False
        """The pod is being ended: failing probes are no news."""

    def follow(self, pod: Obj, containers: Sequence[Container], ip: str) -> Health:
        """Probe those that run, and only those."""
        running = {c.id: c for c in containers if c.state is ContainerState.RUNNING}
        for gone in self._probes.keys() - running.keys():
            self._probes.pop(gone).stop()
        for container in running.values():
            if container.id not in self._probes:
                self._begin(pod, container, ip)
        found = self._probes.items()
        return Health(
            ready=frozenset(i for i, p in found if p.ready),
            started=frozenset(i for i, p in found if p.started),
            unhealthy={i: p.unhealthy for i, p in found if p.unhealthy},
        )

    def _begin(self, pod: Obj, container: Container, ip: str) -> None:
        spec = self._probed(pod, container.name)
        if spec is None:
            return
        target = Target(self._host.runtime, container.id, spec, ip)
        uid, name = uid_of(pod), container.name
        probes = ContainerProbes(
            container,
            target,
            changed=lambda: self._host.wake(uid),
            report=lambda reason, message: self._report(name, reason, message),
            known=_known(pod, container),
        )
        self._probes[container.id] = probes
        probes.start()

    def _report(self, name: str, reason: str, message: str) -> None:
        if not self.ending:
            self._tell(name, "Warning", reason, message)

    def _probed(self, pod: Obj, name: str) -> Obj | None:
        """The container's spec; None for init containers, which have no probes."""
        spec = named(all_containers(pod), name)
        if spec is None or (spec in init_containers(pod) and not is_sidecar(spec)):
            return None
        if not self._host.runs_processes:
            return {k: v for k, v in spec.items() if k not in _PROBES}
        return spec

    async def close(self) -> None:
        tasks = [task for probes in self._probes.values() if (task := probes.stop()) is not None]
        self._probes.clear()
        await asyncio.gather(*tasks, return_exceptions=True)


def _known(pod: Obj, container: Container) -> tuple[bool, bool]:
    """(started, ready) as an earlier kubelet told of this very container: its pod does not flap at our restart."""
    for status in stated(pod):
        if status.get("name") == container.name and (status.get("containerID") or "").endswith(container.id):
            return bool(status.get("started")), bool(status.get("ready"))
    return False, False
