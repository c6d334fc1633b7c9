"""A pod's volumes as directories of this machine: emptyDir, configMap, secret, downwardAPI, projected, hostPath.

    <pod directory>/volumes/<name>            emptyDir
    <pod directory>/volumes/<name>/<key>      a link through `..data` to the newest version: all keys change at once

There is no mount namespace: containers find a volume by `BACKBEAT_VOLUME_<NAME>`, not at its mountPath. Directories
of Secrets are open to their owner only. What the kubelet does not serve (persistentVolumeClaim, csi, …) is refused.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.kubelet.downward import NoSuchField, PodFacts, pod_field, resource_field
from agents.kubelet.sources import SourceMissing, Sources

Obj = dict[str, Any]
Files = dict[str, tuple[bytes, int]]
"""Path below the volume → content and mode."""

_DEFAULT_MODE = 0o644
_MUST_EXIST = {"Directory": Path.is_dir, "File": Path.is_file, "Socket": Path.is_socket}


class VolumeRefused(Exception):
    """A volume cannot be made (FailedMount). The message is shown to users."""


class Volumes:
    """The volumes of one pod."""

    def __init__(self, pod_dir: Path, *, facts: PodFacts, sources: Sources) -> None:
        self._root = pod_dir / "volumes"
        self._facts = facts
        self._sources = sources

    async def make(self) -> dict[str, str]:
        """Make all of them, or bring them up to date. Volume → path. Raises VolumeRefused."""
        made: dict[str, str] = {}
        for volume in self._facts.pod["spec"].get("volumes") or ():
            name = volume["name"]
            try:
                made[name] = str(await self._one(name, volume))
            except (SourceMissing, NoSuchField, OSError) as err:
                raise VolumeRefused(f'MountVolume.SetUp failed for volume "{name}" : {err}') from err
        return made

    async def _one(self, name: str, volume: Obj) -> Path:
        if "hostPath" in volume:
            return _host_path(name, volume["hostPath"])
        path = self._root / name
        if "emptyDir" in volume:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o777)  # as upstream; the directories above are closed to strangers
            return path
        origins = _origins(name, volume)
        files: Files = {}
        for key, origin, mode in origins:
            files |= await self._files(key, origin, mode)
        _publish(path, files, is_secret=any(key == "secret" for key, _, _ in origins))
        return path

    async def _files(self, key: str, origin: Obj, mode: int) -> Files:
        if key == "downwardAPI":
            return {item["path"]: (self._field(item), item.get("mode", mode)) for item in origin.get("items") or ()}
        resource = "configmaps" if key == "configMap" else "secrets"
        name = origin.get("secretName") or origin.get("name") or ""
        optional = bool(origin.get("optional"))
        data = await self._sources.data(resource, name, optional=optional) or {}
        return _chosen(data, origin.get("items"), mode, f"{resource.removesuffix('s')} {name}", optional=optional)

    def _field(self, item: Obj) -> bytes:
        if "fieldRef" in item:
            return pod_field(self._facts, item["fieldRef"]["fieldPath"]).encode()
        ref = item["resourceFieldRef"]
        spec = self._facts.pod["spec"]
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            if container["name"] == ref.get("containerName"):
                return resource_field(self._facts, container, ref).encode()
        raise NoSuchField(f"container {ref.get('containerName')} not found")


def _origins(name: str, volume: Obj) -> list[tuple[str, Obj, int]]:
    """(kind, source, mode) of each part: one, or those of a projected volume."""
    for key in ("configMap", "secret", "downwardAPI"):
        if key in volume:
            return [(key, volume[key], volume[key].get("defaultMode", _DEFAULT_MODE))]
    if "projected" not in volume:
        kind = next((k for k in volume if k != "name"), "none")
        raise VolumeRefused(f'volume "{name}": the kubelet of this node cannot provide volumes of type {kind}')
    mode = volume["projected"].get("defaultMode", _DEFAULT_MODE)
    parts = [(k, v, mode) for source in volume["projected"].get("sources") or () for k, v in source.items()]
    for kind, _, _ in parts:
        if kind not in ("configMap", "secret", "downwardAPI"):
            raise VolumeRefused(f'volume "{name}": the kubelet of this node cannot project {kind}')
    return parts


def _chosen(data: Mapping[str, bytes], items: list[Obj] | None, mode: int, what: str, *, optional: bool) -> Files:
    if not items:
        return {key: (value, mode) for key, value in data.items()}
    files: Files = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = (data[item["key"]], item.get("mode") or mode)
        elif not optional:
            raise SourceMissing(f"{what} references non-existent key: {item['key']}")
    return files


def _host_path(name: str, origin: Obj) -> Path:
    path, kind = Path(origin["path"]), origin.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch(mode=0o644, exist_ok=True)
    elif kind in _MUST_EXIST and not _MUST_EXIST[kind](path):
        raise VolumeRefused(f'MountVolume.SetUp failed for volume "{name}" : hostPath type check failed: {path}')
    return path


def _publish(path: Path, files: Files, *, is_secret: bool) -> None:
    """Write a version beside the old one and switch the link `..data`: readers see the old or the new, whole."""
    data = path / "..data"
    if data.is_symlink() and _current(data) == {k: v for k, (v, _) in files.items()}:
        return
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700 if is_secret else 0o755)
    version = path / f"..{secrets.token_hex(8)}"
    version.mkdir(mode=0o755)
    for name, (content, mode) in files.items():
        target = version / name
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        target.chmod(mode)
    old = data.resolve() if data.is_symlink() else None
    switch = path / "..data_tmp"
    switch.unlink(missing_ok=True)
    switch.symlink_to(version.name)
    switch.replace(data)
    _link_names(path, {name.split("/")[0] for name in files})
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _link_names(path: Path, names: set[str]) -> None:
    for entry in path.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        link = path / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")


def _current(data: Path) -> dict[str, bytes]:
    root = data.resolve()
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
