"""Validation of containers: the regular ones, those that run first, and those that are added for debugging."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.api.fielderrors import duplicate, forbidden, invalid_value, not_found_value, not_supported, required
from apiserver.api.kinds._checks import Errors, check_choice, check_name, check_port, dns_label, port_name
from apiserver.api.kinds._env_validation import check_env, check_env_from
from apiserver.api.kinds._mounts import check_devices, check_mounts
from apiserver.api.kinds._ports import PROTOCOLS
from apiserver.api.kinds._probes import check_lifecycle, check_probes
from apiserver.api.kinds._resources import check_requirements
from apiserver.api.kinds._security_validation import check_container_security

Container = dict[str, Any]

_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESIZABLE = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_NOT_FOR_INIT = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
_FOR_EPHEMERAL = frozenset(
    [
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "envFrom",
        "env",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
    ]
)


@dataclass(frozen=True, slots=True)
class PodContext:
    """What the containers of one pod are checked against."""

    volumes: Mapping[str, Container]
    claims: Collection[str]
    grace: int | None
    restart_policy: str
    os: str | None
    host_users: bool


def _check_ports(ports: list[Container], path: str, errors: Errors) -> None:
    names: set[str] = set()
    for i, port in enumerate(ports):
        where = f"{path}[{i}]"
        name = port.get("name")
        if name:
            if name in names:
                errors.append(duplicate(f"{where}.name", name))
            else:
                check_name(name, f"{where}.name", errors, rule=port_name)
            names.add(name)
        number = port.get("containerPort")
        if not number:
            errors.append(required(f"{where}.containerPort"))
        else:
            check_port(number, f"{where}.containerPort", errors)
        if port.get("hostPort"):
            check_port(port["hostPort"], f"{where}.hostPort", errors)
        check_choice(port.get("protocol"), f"{where}.protocol", errors, choices=PROTOCOLS)


def _check_host_ports(containers: list[Container], path: str, errors: Errors) -> None:
    taken: set[str] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or ()):
            number = port.get("hostPort")
            if not number:
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{number}"
            if key in taken:
                errors.append(duplicate(f"{path}[{i}].ports[{j}].hostPort", key))
            taken.add(key)


def _check_resize_policy(policies: list[Container], path: str, errors: Errors, *, restart_policy: str) -> None:
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        resource, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if resource in seen:
            errors.append(duplicate(f"{path}[{i}]", resource))
        seen.add(resource)
        check_choice(resource, path, errors, choices=_RESIZABLE)
        check_choice(restart, path, errors, choices=_RESIZE_POLICIES)
        if restart_policy == "Never" and restart != "NotRequired":
            errors.append(invalid_value(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'"))


def _check_exit_codes(codes: Container, path: str, errors: Errors) -> None:
    operator, values = codes.get("operator"), codes.get("values") or []
    check_choice(operator, f"{path}.operator", errors, choices=("In", "NotIn"))
    if operator in ("In", "NotIn") and not values:
        errors.append(invalid_value(f"{path}.values", values, "must specify at least one value when operator is set"))
    if len(values) > 255:
        errors.append(invalid_value(f"{path}.values", len(values), "must have at most 255 items"))


def _check_restart_rules(container: Container, path: str, errors: Errors) -> None:
    rules = container.get("restartPolicyRules") or []
    if rules and container.get("restartPolicy") is None:
        errors.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    if len(rules) > 20:
        errors.append(invalid_value(f"{path}.restartPolicyRules", len(rules), "must have at most 20 items"))
    for i, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{i}]"
        check_choice(rule.get("action"), f"{where}.action", errors, choices=("Restart", "RestartAllContainers"))
        if rule.get("exitCodes") is None:
            errors.append(required(f"{where}.exitCodes", "must be specified"))
        else:
            _check_exit_codes(rule["exitCodes"], f"{where}.exitCodes", errors)


def _check_common(container: Container, path: str, errors: Errors, *, pod: PodContext) -> None:
    name = container.get("name")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        check_name(name, f"{path}.name", errors, rule=dns_label)
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    policy = container.get("terminationMessagePolicy")
    check_choice(policy, f"{path}.terminationMessagePolicy", errors, choices=_MESSAGE_POLICIES)
    check_choice(container.get("imagePullPolicy"), f"{path}.imagePullPolicy", errors, choices=_PULL_POLICIES)
    if container.get("ports"):
        _check_ports(container["ports"], f"{path}.ports", errors)
    if container.get("env"):
        check_env(container["env"], f"{path}.env", errors)
    if container.get("envFrom"):
        check_env_from(container["envFrom"], f"{path}.envFrom", errors)
    if container.get("volumeMounts"):
        check_mounts(container, f"{path}.volumeMounts", errors, volumes=pod.volumes)
    if container.get("volumeDevices"):
        check_devices(container, f"{path}.volumeDevices", errors, volumes=pod.volumes)
    _check_limits_and_rights(container, path, errors, pod=pod)


def _check_limits_and_rights(container: Container, path: str, errors: Errors, *, pod: PodContext) -> None:
    if container.get("resources"):
        check_requirements(container["resources"], f"{path}.resources", errors, claims=pod.claims)
    if container.get("resizePolicy"):
        where = f"{path}.resizePolicy"
        _check_resize_policy(container["resizePolicy"], where, errors, restart_policy=pod.restart_policy)
    if container.get("securityContext"):
        where = f"{path}.securityContext"
        check_container_security(container["securityContext"], where, errors, host_users=pod.host_users)


def _check_handlers(container: Container, path: str, errors: Errors, *, pod: PodContext) -> None:
    check_lifecycle(container.get("lifecycle"), f"{path}.lifecycle", errors, grace=pod.grace, os=pod.os)
    check_probes(container, path, errors)


def check_containers(containers: list[Container], path: str, errors: Errors, *, pod: PodContext) -> None:
    """The regular containers; at least one."""
    if not containers:
        errors.append(required(path))
        return
    names: set[str] = set()
    for i, container in enumerate(containers):
        where = f"{path}[{i}]"
        _check_common(container, where, errors, pod=pod)
        name = container.get("name") or ""
        if name in names:
            errors.append(duplicate(f"{where}.name", name))
        names.add(name)
        _check_handlers(container, where, errors, pod=pod)
        policy = container.get("restartPolicy")
        if policy is not None and policy not in _RESTART_POLICIES:
            errors.append(not_supported(f"{where}.restartPolicy", policy, _RESTART_POLICIES))
        _check_restart_rules(container, where, errors)
    _check_host_ports(containers, path, errors)


def check_init_containers(
    containers: list[Container], regular: list[Container], path: str, errors: Errors, *, pod: PodContext
) -> None:
    """Those that run before the regular ones. With restartPolicy Always one stays, as a sidecar with probes."""
    names = {c.get("name") for c in regular}
    for i, container in enumerate(containers):
        where = f"{path}[{i}]"
        _check_common(container, where, errors, pod=pod)
        name, policy = container.get("name"), container.get("restartPolicy")
        if policy is not None:
            check_choice(policy, f"{where}.restartPolicy", errors, choices=_RESTART_POLICIES)
        if name and name in names:
            errors.append(duplicate(f"{where}.name", name))
        names.add(name)
        _check_host_ports([container], path, errors)
        if policy == "Always":
            _check_handlers(container, where, errors, pod=pod)
        else:
            for field in _NOT_FOR_INIT:
                if container.get(field) is not None:
                    told = "may not be set for init containers without restartPolicy=Always"
                    errors.append(forbidden(f"{where}.{field}", told))
        _check_restart_rules(container, where, errors)


def check_ephemeral_containers(containers: list[Container], path: str, errors: Errors, *, spec: Container) -> None:
    """Those added to a running pod. `spec` is the pod's; its other containers are checked elsewhere."""
    others = {c.get("name") for f in ("containers", "initContainers") for c in spec.get(f) or ()}
    names = set(others)
    for i, container in enumerate(containers):
        where = f"{path}[{i}]"
        name, target = container.get("name"), container.get("targetContainerName")
        check_image_spacing(container, where, errors)
        if name in names:
            errors.append(duplicate(f"{where}.name", name))
        names.add(name)
        if target and target not in others:
            errors.append(not_found_value(f"{where}.targetContainerName", target))
        for field, value in container.items():
            if field not in _FOR_EPHEMERAL and value not in (None, {}, [], "", 0):
                errors.append(forbidden(f"{where}.{field}", "cannot be set for an Ephemeral Container"))
        for j, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    told = "cannot be set for an Ephemeral Container"
                    errors.append(forbidden(f"{where}.volumeMounts[{j}].{field}", told))


def check_ephemeral_common(containers: list[Container], path: str, errors: Errors, *, pod: PodContext) -> None:
    for i, container in enumerate(containers):
        _check_common(container, f"{path}[{i}]", errors, pod=pod)


def check_image_spacing(container: Container, path: str, errors: Errors) -> None:
    """Pods only: templates may hold a blank for a tool to fill in."""
    image = container.get("image") or ""
    if image != image.strip():
        errors.append(invalid_value(f"{path}.image", image, "must not have leading or trailing whitespace"))
