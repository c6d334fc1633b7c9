"""The last known pods, on disk: what a kubelet runs that starts while the API server is away.

    <root>/pods/<uid>/pod.json        the pod as the API held it, and the newest status as this kubelet knows it

The two are kept apart: what differs has not been told to the API yet.

Saving is quick and not synchronised to the disk: after a power cut a pod is older or missing, and the API server's
word repairs it. The pod's directory is the runtime's too, which removes it as a whole.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import structlog

from agents.kubelet.container_dir import write_private
from agents.kubelet.runtime import PodUid

log = structlog.get_logger(__name__)

Obj = dict[str, Any]


class Kept(NamedTuple):
    pod: Obj
    local: Obj | None


class PodStore:
    def __init__(self, root: Path | None) -> None:
        """`root` None keeps nothing."""
        self._root = root

    def folder(self, uid: PodUid) -> Path | None:
        return self._root / "pods" / uid if self._root else None

    def load(self) -> list[Kept]:
        pods = self._root / "pods" if self._root else None
        if pods is None or not pods.is_dir():
            return []
        return [kept for path in sorted(pods.glob("*/pod.json")) if (kept := _read(path)) is not None]

    def known(self) -> list[PodUid]:
        """Every pod that has a directory, readable or not."""
        pods = self._root / "pods" if self._root else None
        return [PodUid(p.name) for p in pods.iterdir() if p.is_dir()] if pods is not None and pods.is_dir() else []

    def save(self, pod: Obj, local: Obj | None) -> None:
        """Raises OSError."""
        folder = self.folder(PodUid(pod["metadata"]["uid"]))
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(folder / "pod.json", orjson.dumps({"pod": pod, "local": local}))

    def forget(self, uid: PodUid) -> None:
        """The pod's directory, where the runtime has not removed it already."""
        folder = self.folder(uid)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> Kept | None:
    try:
        stored = orjson.loads(path.read_bytes())
        kept = Kept(stored["pod"], stored["local"])
        if kept.pod["metadata"]["uid"] != path.parent.name or "spec" not in kept.pod:
            raise ValueError("not this pod")
    except (OSError, ValueError, KeyError, TypeError) as err:
        log.warning("a pod on disk cannot be read, it waits for the API server", path=str(path), error=str(err))
        return None
    return kept
