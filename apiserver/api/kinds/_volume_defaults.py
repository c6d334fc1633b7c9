"""What a volume gets where its author left fields out: one function per volume source that has defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.api.kinds._images import default_pull_policy

Source = dict[str, Any]

_FILE_MODE = 0o644
_TOKEN_LIFETIME_SECONDS = 3600


def _fill(source: Source, **defaults: Any) -> None:
    for field, value in defaults.items():
        if source.get(field) in (None, ""):
            source[field] = value


def _files_mode(source: Source) -> None:
    if source.get("defaultMode") is None:
        source["defaultMode"] = _FILE_MODE


def _field_refs(items: list[Source] | None) -> None:
    for item in items or ():
        default_field_ref(item.get("fieldRef"))


def default_field_ref(ref: Source | None) -> None:
    if ref is not None and not ref.get("apiVersion"):
        ref["apiVersion"] = "v1"


def _downward_api(source: Source) -> None:
    _files_mode(source)
    _field_refs(source.get("items"))


def _projected(source: Source) -> None:
    _files_mode(source)
    for part in source.get("sources") or ():
        _field_refs((part.get("downwardAPI") or {}).get("items"))
        token = part.get("serviceAccountToken")
        if token is not None and token.get("expirationSeconds") is None:
            token["expirationSeconds"] = _TOKEN_LIFETIME_SECONDS


def _host_path(source: Source) -> None:
    if source.get("type") is None:
        source["type"] = ""


def _image(source: Source) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = default_pull_policy(source.get("reference", ""))


def _ephemeral(source: Source) -> None:
    template = source.get("volumeClaimTemplate")
    if template is not None:
        default_claim_spec(template.setdefault("spec", {}))


def _azure_disk(source: Source) -> None:
    _fill(source, cachingMode="ReadWrite", kind="Shared", fsType="ext4", readOnly=False)


def _iscsi(source: Source) -> None:
    _fill(source, iscsiInterface="default")


def _rbd(source: Source) -> None:
    _fill(source, pool="rbd", user="admin", keyring="/etc/ceph/keyring")


def _scale_io(source: Source) -> None:
    _fill(source, storageMode="ThinProvisioned", fsType="xfs")


_DEFAULTS: dict[str, Callable[[Source], None]] = {
    "configMap": _files_mode,
    "secret": _files_mode,
    "downwardAPI": _downward_api,
    "projected": _projected,
    "hostPath": _host_path,
    "image": _image,
    "ephemeral": _ephemeral,
    "azureDisk": _azure_disk,
    "iscsi": _iscsi,
    "rbd": _rbd,
    "scaleIO": _scale_io,
}


def default_claim_spec(spec: Source) -> None:
    """A PersistentVolumeClaim's spec, wherever it is embedded."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"


def default_volume(volume: Source) -> None:
    """A volume without any source is an emptyDir."""
    named = False
    for field, source in volume.items():
        if field == "name" or source is None:
            continue
        named = True
        fill = _DEFAULTS.get(field)
        if fill is not None:
            fill(source)
    if not named:
        volume["emptyDir"] = {}
