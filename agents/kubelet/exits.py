"""Hear at once that a container's shim is gone, ours or one that an earlier kubelet started.

Linux tells by pidfd, without looking. Elsewhere, and for a shim whose pid is not known yet, its lock is looked at
every second. A shim that we started is our child and is reaped here, so that it does not stay a zombie.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

import structlog

from agents.kubelet.container_dir import ContainerDir
from agents.kubelet.runtime import ContainerId

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class Exits:
    """`gone` is called once for each watched container, in the event loop."""

    def __init__(self, gone: Callable[[ContainerDir], None]) -> None:
        self._gone = gone
        self._descriptors: dict[ContainerId, int] = {}
        self._polled: dict[ContainerId, asyncio.TimerHandle] = {}

    def watch(self, directory: ContainerDir, pid: int, *, ours: bool = False) -> None:
        """`pid` 0: not known."""
        descriptor = _open(directory, pid, ours=ours)
        if descriptor is None:
            self._look(directory, pid if ours else 0)
            return
        self._descriptors[directory.id] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._on_end, directory, pid if ours else 0)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for descriptor in self._descriptors.values():
            loop.remove_reader(descriptor)
            os.close(descriptor)
        self._descriptors.clear()
        for handle in self._polled.values():
            handle.cancel()
        self._polled.clear()

    def _on_end(self, directory: ContainerDir, child: int) -> None:
        descriptor = self._descriptors.pop(directory.id)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        _reap(child)
        self._gone(directory)

    def _look(self, directory: ContainerDir, child: int) -> None:
        self._polled.pop(directory.id, None)
        if directory.is_running():
            loop = asyncio.get_running_loop()
            self._polled[directory.id] = loop.call_later(LOOK_SECONDS, self._look, directory, child)
            return
        _reap(child)
        self._gone(directory)


def _open(directory: ContainerDir, pid: int, *, ours: bool) -> int | None:
    """A pidfd of this very shim, or None. Of a stranger's pid only the lock says that it is still the shim's."""
    if pid == 0 or not hasattr(os, "pidfd_open"):
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as err:
        log.info("cannot hear of a shim's end; its lock is polled", container=directory.id, error=str(err))
        return None
    if ours or directory.is_running():
        return descriptor
    os.close(descriptor)
    return None


def _reap(child: int) -> None:
    if child:
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
