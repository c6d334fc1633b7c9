"""Validation of a container's volume mounts and devices against the pod's volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, not_found_value, required
from apiserver.api.kinds._checks import Errors, check_choice
from apiserver.api.kinds._paths import check_descending_path

Mount = dict[str, Any]
Volumes = Mapping[str, Mount]

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "Enabled", "IfPossible")


def _check_propagation(mount: Mount, path: str, errors: Errors, *, privileged: bool) -> None:
    mode = mount.get("mountPropagation")
    if mode is None:
        return
    check_choice(mode, path, errors, choices=_PROPAGATIONS)
    if mode == "Bidirectional" and not privileged:
        told = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(path, told))


def _check_recursive_read_only(mount: Mount, path: str, errors: Errors) -> None:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return
    check_choice(mode, path, errors, choices=_READ_ONLY)
    if mode not in _READ_ONLY:
        return
    if not mount.get("readOnly"):
        errors.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        errors.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))


def _check_sub_path(mount: Mount, path: str, errors: Errors, *, where: str, image: bool) -> None:
    for field in ("subPath", "subPathExpr"):
        value = mount.get(field)
        if not value:
            continue
        if image:
            errors.append(invalid_value(f"{where}.{field}", value, "not allowed in image volume sources"))
        if field == "subPathExpr" and mount.get("subPath"):
            told = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid_value(f"{where}.{field}", value, told))
        # NB: these two name the list and not the mount, as upstream does.
        check_descending_path(value, f"{path}.{field}", errors)


def _check_names(mount: Mount, where: str, errors: Errors, *, volumes: Volumes, devices: Mapping[str, str]) -> None:
    name, target = mount.get("name") or "", mount.get("mountPath") or ""
    if not name:
        errors.append(required(f"{where}.name"))
    if name not in volumes:
        errors.append(not_found_value(f"{where}.name", name))
    if not target:
        errors.append(required(f"{where}.mountPath"))
    if name in devices:
        errors.append(invalid_value(f"{where}.name", name, "must not already exist in volumeDevices"))
    if target in devices.values():
        told = "must not already exist as a path in volumeDevices"
        errors.append(invalid_value(f"{where}.mountPath", target, told))


def check_mounts(container: Mount, path: str, errors: Errors, *, volumes: Volumes) -> None:
    """Every mount names a volume of the pod, and no two of one container share a path."""
    privileged = bool((container.get("securityContext") or {}).get("privileged"))
    devices = {d.get("name") or "": d.get("devicePath") or "" for d in container.get("volumeDevices") or ()}
    taken: set[str] = set()
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}[{i}]"
        _check_names(mount, where, errors, volumes=volumes, devices=devices)
        target = mount.get("mountPath") or ""
        if target in taken:
            errors.append(invalid_value(f"{where}.mountPath", target, "must be unique"))
        taken.add(target)
        image = (volumes.get(mount.get("name") or "") or {}).get("image") is not None
        _check_sub_path(mount, path, errors, where=where, image=image)
        _check_propagation(mount, f"{path}.mountPropagation", errors, privileged=privileged)
        _check_recursive_read_only(mount, f"{path}.recursiveReadOnly", errors)


def _check_device(device: Mount, where: str, errors: Errors, *, volumes: Volumes, mounts: Mapping[str, str]) -> None:
    name, target = device.get("name") or "", device.get("devicePath") or ""
    volume = volumes.get(name)
    if not name:
        errors.append(required(f"{where}.name"))
    if volume is None:
        errors.append(not_found_value(f"{where}.name", name))
    elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
        told = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        errors.append(invalid_value(f"{where}.name", name, told))
    if not target:
        errors.append(required(f"{where}.devicePath"))
    elif ".." in target.split("/"):
        errors.append(invalid_value(f"{where}.devicePath", target, "can not contain backsteps ('..')"))
    if name in mounts:
        errors.append(invalid_value(f"{where}.name", name, "must not already exist in volumeMounts"))
    if target in mounts.values():
        told = "must not already exist as a path in volumeMounts"
        errors.append(invalid_value(f"{where}.devicePath", target, told))


def check_devices(container: Mount, path: str, errors: Errors, *, volumes: Volumes) -> None:
    """Every device is a claim of the pod, mapped once."""
    mounts = {m.get("name") or "": m.get("mountPath") or "" for m in container.get("volumeMounts") or ()}
    names: set[str] = set()
    targets: set[str] = set()
    for i, device in enumerate(container.get("volumeDevices") or ()):
        where = f"{path}[{i}]"
        _check_device(device, where, errors, volumes=volumes, mounts=mounts)
        name, target = device.get("name") or "", device.get("devicePath") or ""
        if name in names:
            errors.append(invalid_value(f"{where}.name", name, "must be unique"))
        if target in targets:
            errors.append(invalid_value(f"{where}.devicePath", target, "must be unique"))
        names.add(name)
        targets.add(target)
