"""Validation of security contexts, of a pod and of a container."""

from __future__ import annotations

import re
from typing import Any

from apiserver.api.fielderrors import duplicate, forbidden, invalid_value, required, too_long
from apiserver.api.kinds._checks import Errors, check_choice, check_optional_choice, check_range, dns_subdomain
from apiserver.api.kinds._paths import check_descending_path

Context = dict[str, Any]

_MAX_ID = 2**31 - 1
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_PATTERN = f"^({_SYSCTL_SEGMENT}[\\./])*{_SYSCTL_SEGMENT}$"
_SYSCTL = re.compile(_SYSCTL_PATTERN)
_MAX_SYSCTL = 253
_MAX_PROFILE_PATH = 4095
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.")


def _check_ids(context: Context, path: str, errors: Errors, *, fields: tuple[str, ...]) -> None:
    for field in fields:
        value = context.get(field)
        if value is not None:
            check_range(value, f"{path}.{field}", errors, low=0, high=_MAX_ID)


def _check_seccomp(profile: Context, path: str, errors: Errors) -> None:
    kind, local = profile.get("type"), profile.get("localhostProfile")
    if not kind:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    else:
        check_choice(kind, f"{path}.type", errors, choices=_PROFILES)
    where = f"{path}.localhostProfile"
    if kind != "Localhost":
        if local is not None:
            errors.append(invalid_value(where, profile, "can only be set when seccomp type is Localhost"))
    elif local is None:
        errors.append(required(where, "must be set when seccomp type is Localhost"))
    else:
        check_descending_path(local, where, errors)


def _check_app_armor(profile: Context, path: str, errors: Errors) -> None:
    kind, local = profile.get("type"), profile.get("localhostProfile")
    where = f"{path}.localhostProfile"
    if not kind:
        errors.append(required(f"{path}.type", "type is required when appArmorProfile is set"))
    elif kind not in _PROFILES:
        check_choice(kind, f"{path}.type", errors, choices=_PROFILES)
    elif kind != "Localhost":
        if local is not None:
            errors.append(invalid_value(where, local, "can only be set when AppArmor type is Localhost"))
    elif local is None or not local.strip():
        errors.append(required(where, "must be set when AppArmor type is Localhost"))
    elif local.strip() != local:
        errors.append(invalid_value(where, local, "must not be padded with whitespace"))
    elif len(local.encode()) > _MAX_PROFILE_PATH:
        errors.append(too_long(where, _MAX_PROFILE_PATH))


def _check_windows(options: Context, path: str, errors: Errors) -> None:
    name = options.get("gmsaCredentialSpecName")
    if name is not None:
        errors.extend(invalid_value(f"{path}.gmsaCredentialSpecName", name, c) for c in dns_subdomain(name))
    spec = options.get("gmsaCredentialSpec")
    if spec == "":
        told = "gmsaCredentialSpec cannot be an empty string"
        errors.append(invalid_value(f"{path}.gmsaCredentialSpec", spec, told))
    elif spec is not None and len(spec) > 64 * 1024:
        told = "gmsaCredentialSpec size must be under 64 KiB"
        errors.append(invalid_value(f"{path}.gmsaCredentialSpec", spec, told))
    if options.get("runAsUserName") == "":
        told = "runAsUserName cannot be an empty string"
        errors.append(invalid_value(f"{path}.runAsUserName", "", told))


def _check_shared(context: Context, path: str, errors: Errors) -> None:
    """What a pod and a container can both say."""
    _check_ids(context, path, errors, fields=("runAsUser", "runAsGroup"))
    if context.get("seccompProfile") is not None:
        _check_seccomp(context["seccompProfile"], f"{path}.seccompProfile", errors)
    if context.get("appArmorProfile") is not None:
        _check_app_armor(context["appArmorProfile"], f"{path}.appArmorProfile", errors)
    if context.get("windowsOptions") is not None:
        _check_windows(context["windowsOptions"], f"{path}.windowsOptions", errors)


def _check_sysctl(name: str, path: str, errors: Errors, *, host_network: bool, host_ipc: bool) -> None:
    if not name:
        errors.append(required(path))
    elif len(name) > _MAX_SYSCTL or not _SYSCTL.match(name):
        told = f"must have at most {_MAX_SYSCTL} characters and match regex {_SYSCTL_PATTERN}"
        errors.append(invalid_value(path, name, told))
    dotted = name.replace("/", ".")
    if host_network and dotted.startswith("net."):
        errors.append(invalid_value(path, name, "may not be specified when 'hostNetwork' is true"))
    elif host_ipc and (dotted.startswith(_IPC_SYSCTLS) or dotted == "kernel.sem"):
        errors.append(invalid_value(path, name, "may not be specified when 'hostIPC' is true"))


def _check_sysctls(context: Context, path: str, errors: Errors, *, spec: Context) -> None:
    host_network, host_ipc = bool(spec.get("hostNetwork")), bool(spec.get("hostIPC"))
    seen: set[str] = set()
    for i, sysctl in enumerate(context.get("sysctls") or ()):
        name, where = sysctl.get("name") or "", f"{path}[{i}].name"
        _check_sysctl(name, where, errors, host_network=host_network, host_ipc=host_ipc)
        if name in seen:
            errors.append(duplicate(where, name))
        seen.add(name)


def check_pod_security(spec: Context, path: str, errors: Errors) -> None:
    """`spec.securityContext`, with the host namespaces that upstream keeps beside it."""
    context = spec.get("securityContext") or {}
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        told = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid_value(f"{path}.shareProcessNamespace", True, told))
    if not context:
        return
    _check_ids(context, path, errors, fields=("fsGroup",))
    for i, group in enumerate(context.get("supplementalGroups") or ()):
        check_range(group, f"{path}.supplementalGroups[{i}]", errors, low=0, high=_MAX_ID)
    _check_sysctls(context, f"{path}.sysctls", errors, spec=spec)
    choices = {
        "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
        "supplementalGroupsPolicy": ("Merge", "Strict"),
        "seLinuxChangePolicy": ("MountOption", "Recursive"),
    }
    for field, supported in choices.items():
        check_optional_choice(context.get(field), f"{path}.{field}", errors, choices=supported)
    _check_shared(context, path, errors)


def _check_escalation(context: Context, path: str, errors: Errors) -> None:
    if context.get("allowPrivilegeEscalation") is not False:
        return
    if context.get("privileged"):
        told = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(invalid_value(path, context, told))
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
        told = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        errors.append(invalid_value(path, context, told))


def check_container_security(context: Context, path: str, errors: Errors, *, host_users: bool) -> None:
    _check_shared(context, path, errors)
    mount = context.get("procMount")
    check_optional_choice(mount, f"{path}.procMount", errors, choices=("Default", "Unmasked"))
    if mount == "Unmasked" and host_users:
        errors.append(invalid_value(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    _check_escalation(context, path, errors)


def check_user_namespace(spec: Context, path: str, errors: Errors) -> None:
    """A pod with users of its own can't share the host's other namespaces."""
    if spec.get("hostUsers") is not False:
        return
    for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            errors.append(forbidden(f"{path}.{shown}", "when `pod.Spec.HostUsers` is false"))
