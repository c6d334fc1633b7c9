"""Validation of a pod's volumes: unique names, exactly one source each, and what that source requires."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiserver.api.fielderrors import duplicate, forbidden, invalid_value, required, too_long
from apiserver.api.kinds._amounts import amount
from apiserver.api.kinds._checks import (
    Errors,
    check_choice,
    check_name,
    check_optional_choice,
    check_range,
    dns_label,
    dns_subdomain,
)
from apiserver.api.kinds._claims import check_claim_spec
from apiserver.api.kinds._paths import check_descending_path, check_no_backsteps
from apiserver.api.kinds._projections import check_downward_api, check_mode, check_projected, check_selected_files

Source = dict[str, Any]

_HOST_PATH_TYPES = (
    "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
)  # fmt: skip
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PARTITION = "must be between 0 and 255, inclusive"
_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([a-z0-9-.]+)(:.*)?", re.ASCII)
_HEX_NAMES = {"eui": re.compile(r"eui\.[0-9A-Fa-f]{16}"), "naa": re.compile(r"naa\.[0-9A-Fa-f]{32}")}


def required_fields(*fields: str) -> Callable[[Source, str, Errors], None]:
    def check(source: Source, path: str, errors: Errors) -> None:
        errors.extend(required(f"{path}.{field}") for field in fields if not source.get(field))

    return check


def _check_empty_dir(source: Source, path: str, errors: Errors) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and amount(limit) < 0:
        errors.append(forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity"))
    medium = source.get("medium") or ""
    if medium not in ("", "Memory", "HugePages") and not medium.startswith("HugePages-"):
        check_choice(medium, f"{path}.medium", errors, choices=("", "Memory", "HugePages"))


def _check_host_path(source: Source, path: str, errors: Errors) -> None:
    if not source.get("path"):
        errors.append(required(f"{path}.path"))
        return
    check_no_backsteps(source["path"], f"{path}.path", errors)
    check_optional_choice(source.get("type"), f"{path}.type", errors, choices=sorted(_HOST_PATH_TYPES))


def _check_secret(source: Source, path: str, errors: Errors) -> None:
    check_selected_files(source, path, errors, name_field="secretName")


def _check_config_map(source: Source, path: str, errors: Errors) -> None:
    check_selected_files(source, path, errors, name_field="name")


def _check_downward_api(source: Source, path: str, errors: Errors) -> None:
    check_mode(source.get("defaultMode"), f"{path}.defaultMode", errors)
    for item in source.get("items") or ():
        check_downward_api(item, path, errors)


def _check_nfs(source: Source, path: str, errors: Errors) -> None:
    required_fields("server", "path")(source, path, errors)
    if not (source.get("path") or "").startswith("/"):
        errors.append(invalid_value(f"{path}.path", source.get("path") or "", "must be an absolute path"))


def _check_git_repo(source: Source, path: str, errors: Errors) -> None:
    required_fields("repository")(source, path, errors)
    check_descending_path(source.get("directory") or "", f"{path}.directory", errors)


def _check_iscsi_name(name: str, path: str, errors: Errors) -> None:
    scheme = name[:3]
    if scheme not in ("iqn", *_HEX_NAMES):
        errors.append(invalid_value(path, name, "must be valid format starting with iqn, eui, or naa"))
    elif not (_IQN if scheme == "iqn" else _HEX_NAMES[scheme]).fullmatch(name):
        errors.append(invalid_value(path, name, "must be valid format"))


def _check_iscsi(source: Source, path: str, errors: Errors) -> None:
    required_fields("targetPortal", "iqn")(source, path, errors)
    if source.get("iqn"):
        _check_iscsi_name(source["iqn"], f"{path}.iqn", errors)
    check_range(source.get("lun") or 0, f"{path}.lun", errors, low=0, high=255)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        errors.append(required(f"{path}.secretRef"))
    if source.get("initiatorName") is not None:
        _check_iscsi_name(source["initiatorName"], f"{path}.initiatorname", errors)


def _check_fc(source: Source, path: str, errors: Errors) -> None:
    names, ids = source.get("targetWWNs"), source.get("wwids")
    where = f"{path}.targetWWNs"
    if not names and not ids:
        errors.append(required(where, "must specify either targetWWNs or wwids, but not both"))
    if names and ids:
        errors.append(invalid_value(where, names, "targetWWNs and wwids can not be specified simultaneously"))
    if names and source.get("lun") is None:
        errors.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    elif names:
        check_range(source["lun"], f"{path}.lun", errors, low=0, high=255)


def _check_disk(field: str) -> Callable[[Source, str, Errors], None]:
    def check(source: Source, path: str, errors: Errors) -> None:
        required_fields(field)(source, path, errors)
        if not 0 <= (source.get("partition") or 0) <= 255:
            errors.append(invalid_value(f"{path}.partition", source["partition"], _PARTITION))

    return check


def _check_azure_disk(source: Source, path: str, errors: Errors) -> None:
    required_fields("diskName", "diskURI")(source, path, errors)
    modes, kinds = ("None", "ReadOnly", "ReadWrite"), ("Shared", "Dedicated", "Managed")
    check_optional_choice(source.get("cachingMode"), f"{path}.cachingMode", errors, choices=modes)
    check_optional_choice(source.get("kind"), f"{path}.kind", errors, choices=sorted(kinds))


def check_csi_driver_name(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
    if len(name) > 63:
        errors.append(too_long(path, 63))
    errors.extend(invalid_value(path, name, complaint) for complaint in dns_subdomain(name.lower()))


def _check_csi(source: Source, path: str, errors: Errors) -> None:
    check_csi_driver_name(source.get("driver") or "", f"{path}.driver", errors)
    secret = source.get("nodePublishSecretRef")
    if secret is None:
        return
    if not secret.get("name"):
        errors.append(required(f"{path}.nodePublishSecretRef.name"))
    else:
        check_name(secret["name"], f"{path}.nodePublishSecretRef.name", errors, rule=dns_subdomain)


def _check_ephemeral(source: Source, path: str, errors: Errors) -> None:
    template = source.get("volumeClaimTemplate")
    if template is None:
        errors.append(required(f"{path}.volumeClaimTemplate"))
        return
    check_claim_spec(template.get("spec") or {}, f"{path}.volumeClaimTemplate.spec", errors)


def _check_image(source: Source, path: str, errors: Errors) -> None:
    required_fields("reference")(source, path, errors)
    check_choice(source.get("pullPolicy"), f"{path}.pullPolicy", errors, choices=_PULL_POLICIES)


def _check_flex(source: Source, path: str, errors: Errors) -> None:
    required_fields("driver")(source, path, errors)
    for key in source.get("options") or ():
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            told = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(invalid_value(f"{path}.options[{key}]", key, told))


def _check_flocker(source: Source, path: str, errors: Errors) -> None:
    name, uuid = source.get("datasetName"), source.get("datasetUUID")
    if not name and not uuid:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        told = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(invalid_value(path, "resource", told))
    if "/" in (name or ""):
        errors.append(invalid_value(f"{path}.datasetName", name, "must not contain '/'"))


VOLUME_SOURCES: dict[str, Callable[[Source, str, Errors], None]] = {
    "emptyDir": _check_empty_dir,
    "hostPath": _check_host_path,
    "configMap": _check_config_map,
    "secret": _check_secret,
    "projected": check_projected,
    "downwardAPI": _check_downward_api,
    "persistentVolumeClaim": required_fields("claimName"),
    "ephemeral": _check_ephemeral,
    "csi": _check_csi,
    "image": _check_image,
    "nfs": _check_nfs,
    "gitRepo": _check_git_repo,
    "iscsi": _check_iscsi,
    "fc": _check_fc,
    "gcePersistentDisk": _check_disk("pdName"),
    "awsElasticBlockStore": _check_disk("volumeID"),
    "azureDisk": _check_azure_disk,
    "azureFile": required_fields("secretName", "shareName"),
    "cephfs": required_fields("monitors"),
    "cinder": required_fields("volumeID"),
    "flexVolume": _check_flex,
    "flocker": _check_flocker,
    "glusterfs": required_fields("endpoints", "path"),
    "photonPersistentDisk": required_fields("pdID"),
    "portworxVolume": required_fields("volumeID"),
    "quobyte": required_fields("registry", "volume"),
    "rbd": required_fields("monitors", "image"),
    "scaleIO": required_fields("gateway", "system", "volumeName"),
    "storageos": required_fields("volumeName"),
    "vsphereVolume": required_fields("volumePath"),
}


def _check_source(volume: Source, path: str, errors: Errors, *, pod_name: str) -> None:
    named = [field for field in volume if field in VOLUME_SOURCES and volume[field] is not None]
    if not named:
        errors.append(required(path, "must specify a volume type"))
        return
    first = named[0]
    VOLUME_SOURCES[first](volume[first], f"{path}.{first}", errors)
    for other in named[1:]:
        errors.append(forbidden(f"{path}.{other}", "may not specify more than 1 volume type"))
    if "ephemeral" in named and pod_name and volume.get("name"):
        claim = f"{pod_name}-{volume['name']}"
        for complaint in dns_subdomain(claim):
            errors.append(invalid_value(f"{path}.name", volume["name"], f'PVC name "{claim}": {complaint}'))


def check_volumes(volumes: list[Source], path: str, errors: Errors, *, pod_name: str = "") -> dict[str, Source]:
    """The volumes that mounts may refer to, by name. `pod_name` is empty for a template."""
    known: dict[str, Source] = {}
    for i, volume in enumerate(volumes):
        where = f"{path}[{i}]"
        _check_source(volume, where, errors, pod_name=pod_name)
        name = volume.get("name")
        if not name:
            errors.append(required(f"{where}.name"))
            continue
        complaints = dns_label(name)
        errors.extend(invalid_value(f"{where}.name", name, c) for c in complaints)
        if name in known:
            errors.append(duplicate(f"{where}.name", name))
        elif not complaints:
            known[name] = volume
    return known
