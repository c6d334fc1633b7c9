"""Validation of the spec of a pod, for pods and pod templates alike.

`check_pod_spec` assumes a defaulted spec. What differs between a pod and a template is said by `is_pod`: only a pod
must repeat its container ports as host ports in the host's network, and only its volumes have claims by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.api.fielderrors import duplicate, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._addresses import check_ip
from apiserver.api.kinds._checks import (
    MAX_INT32,
    Errors,
    check_choice,
    check_labels,
    check_name,
    check_range,
    dns_label,
    dns_subdomain,
    qualified_name,
)
from apiserver.api.kinds._container_validation import (
    PodContext,
    check_containers,
    check_ephemeral_common,
    check_ephemeral_containers,
    check_init_containers,
)
from apiserver.api.kinds._pod_resources import check_pod_level_resources
from apiserver.api.kinds._resources import check_overhead
from apiserver.api.kinds._scheduling_validation import (
    check_affinity,
    check_gates,
    check_preemption,
    check_spread,
    check_tolerations,
)
from apiserver.api.kinds._security_validation import check_pod_security, check_user_namespace
from apiserver.api.kinds._volume_validation import check_volumes

Spec = dict[str, Any]

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_SYSTEMS = ("linux", "windows")
_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
_MAX_SEARCH_CHARACTERS = 2048


def _check_dns(config: Spec, path: str, errors: Errors) -> None:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _MAX_NAMESERVERS:
        told = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        errors.append(invalid_value(f"{path}.nameservers", servers, told))
    for i, server in enumerate(servers):
        check_ip(server, f"{path}.nameservers[{i}]", errors)
    if len(searches) > _MAX_SEARCHES:
        told = f"must not have more than {_MAX_SEARCHES} search paths"
        errors.append(invalid_value(f"{path}.searches", searches, told))
    if len(" ".join(searches)) > _MAX_SEARCH_CHARACTERS:
        told = f"must not have more than {_MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        errors.append(invalid_value(f"{path}.searches", searches, told))
    for i, search in enumerate(searches):
        if search != ".":
            # NB: resolvers know names with underscores, which are no DNS subdomains.
            complaints = dns_subdomain(search.removesuffix(".").replace("_", "a"))
            errors.extend(invalid_value(f"{path}.searches[{i}]", search, c) for c in complaints)
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.append(required(f"{path}.options[{i}]", "must not be empty"))


def _check_dns_config(spec: Spec, path: str, errors: Errors) -> None:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.get("nameservers"):
            told = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{path}.nameservers", told))
            return
    if config:
        _check_dns(config, path, errors)


def _check_claims(claims: list[Spec], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        name, where = claim.get("name"), f"{path}[{i}]"
        if not name:
            errors.append(required(f"{where}.name"))
        elif name in seen:
            errors.append(duplicate(f"{where}.name", name))
        else:
            check_name(name, f"{where}.name", errors, rule=dns_label)
            seen.add(name)
        direct, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        if direct is not None and template is not None:
            told = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid_value(where, claim, told))
        if direct is None and template is None:
            told = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid_value(where, claim, told))
        for field, value in (("resourceClaimName", direct), ("resourceClaimTemplateName", template)):
            if value is not None:
                check_name(value, f"{where}.{field}", errors, rule=dns_subdomain)


def _check_host_ports(spec: Spec, path: str, errors: Errors, *, is_pod: bool) -> None:
    if not spec.get("hostNetwork"):
        return
    for i, container in enumerate(spec.get("containers") or ()):
        for j, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if host != own and (is_pod or host):
                told = "must match `containerPort` when `hostNetwork` is true"
                errors.append(invalid_value(f"{path}.containers[{i}].ports[{j}].hostPort", host, told))


def _check_host_aliases(aliases: list[Spec], path: str, errors: Errors) -> None:
    for i, alias in enumerate(aliases):
        check_ip(alias.get("ip") or "", f"{path}[{i}].ip", errors)
        for j, host in enumerate(alias.get("hostnames") or ()):
            check_name(host, f"{path}[{i}].hostnames[{j}]", errors, rule=dns_subdomain)


def _check_readiness_gates(gates: list[Spec], path: str, errors: Errors) -> None:
    for i, gate in enumerate(gates):
        check_name(gate.get("conditionType") or "", f"{path}[{i}].conditionType", errors, rule=qualified_name)


def _check_os(system: Spec, path: str, errors: Errors) -> None:
    name = system.get("name")
    if not name:
        errors.append(required(f"{path}.name", "cannot be empty"))
    elif name not in _SYSTEMS:
        errors.append(not_supported(path, name, _SYSTEMS))


def _check_linux(spec: Spec, path: str, errors: Errors) -> None:
    if (spec.get("os") or {}).get("name") != "linux":
        return
    holders = [(spec, path)]
    for field in ("initContainers", "containers", "ephemeralContainers"):
        holders += [(c, f"{path}.{field}[{i}]") for i, c in enumerate(spec.get(field) or ())]
    for holder, where in holders:
        if (holder.get("securityContext") or {}).get("windowsOptions") is not None:
            told = "windows options cannot be set for a linux pod"
            errors.append(forbidden(f"{where}.securityContext.windowsOptions", told))


_OPTIONAL: dict[str, Callable[[Any, str, Errors], None]] = {
    "resourceClaims": _check_claims,
    "nodeSelector": check_labels,
    "affinity": check_affinity,
    "readinessGates": _check_readiness_gates,
    "schedulingGates": check_gates,
    "topologySpreadConstraints": check_spread,
    "tolerations": check_tolerations,
    "hostAliases": _check_host_aliases,
    "preemptionPolicy": check_preemption,
    "overhead": check_overhead,
    "os": _check_os,
}
"""Checked where they are present and not empty, each by itself."""

_NAMES = {
    "serviceAccountName": dns_subdomain,
    "nodeName": dns_subdomain,
    "hostname": dns_label,
    "subdomain": dns_label,
    "priorityClassName": dns_subdomain,
    "runtimeClassName": dns_subdomain,
}


def _check_optional(spec: Spec, path: str, errors: Errors) -> None:
    for field, value in spec.items():
        if not value:
            continue
        check = _OPTIONAL.get(field)
        if check is not None:
            check(value, f"{path}.{field}", errors)
            continue
        rule = _NAMES.get(field)
        if rule is not None:
            check_name(value, f"{path}.{field}", errors, rule=rule)


def _context(spec: Spec, volumes: dict[str, Spec]) -> PodContext:
    return PodContext(
        volumes=volumes,
        claims=frozenset(c.get("name") or "" for c in spec.get("resourceClaims") or ()),
        grace=spec.get("terminationGracePeriodSeconds"),
        restart_policy=spec.get("restartPolicy") or "",
        os=(spec.get("os") or {}).get("name"),
        host_users=spec.get("hostUsers") is not False,
    )


def _check_all_containers(spec: Spec, path: str, errors: Errors, *, volumes: dict[str, Spec]) -> None:
    pod = _context(spec, volumes)
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    check_containers(regular, f"{path}.containers", errors, pod=pod)
    if init:
        check_init_containers(init, regular, f"{path}.initContainers", errors, pod=pod)
    debug = spec.get("ephemeralContainers")
    if debug:
        where = f"{path}.ephemeralContainers"
        check_ephemeral_common(debug, where, errors, pod=pod)
        check_ephemeral_containers(debug, where, errors, spec=spec)


def check_pod_spec(spec: Spec, path: str, errors: Errors, *, is_pod: bool, pod_name: str = "") -> None:
    """Everything that can be said of the spec without looking at other objects."""
    volumes = (
        check_volumes(spec["volumes"], f"{path}.volumes", errors, pod_name=pod_name) if spec.get("volumes") else {}
    )
    _check_all_containers(spec, path, errors, volumes=volumes)
    if spec.get("resources"):
        check_pod_level_resources(spec, f"{path}.resources", errors)
    _check_host_ports(spec, path, errors, is_pod=is_pod)
    check_choice(spec.get("restartPolicy"), f"{path}.restartPolicy", errors, choices=_RESTART_POLICIES)
    check_choice(spec.get("dnsPolicy"), f"{path}.dnsPolicy", errors, choices=_DNS_POLICIES)
    check_pod_security(spec, f"{path}.securityContext", errors)
    _check_dns_config(spec, f"{path}.dnsConfig", errors)
    check_user_namespace(spec, path, errors)
    _check_optional(spec, path, errors)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        check_range(deadline, f"{path}.activeDeadlineSeconds", errors, low=1, high=MAX_INT32)
    _check_linux(spec, path, errors)
