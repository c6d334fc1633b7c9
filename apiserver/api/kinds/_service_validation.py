"""Validation of Services: ports, addresses, and what only some types may have."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import duplicate, forbidden, invalid_value, required
from apiserver.api.kinds._addresses import check_cidr, check_ip, check_not_special, family_of
from apiserver.api.kinds._checks import (
    Errors,
    check_choice,
    check_labels,
    check_name,
    check_optional_choice,
    check_port,
    dns_label,
    dns_subdomain,
    qualified_name,
)
from apiserver.api.kinds._ports import PROTOCOLS, check_port_reference
from apiserver.api.kinds._service_addresses import (
    HEADLESS,
    cluster_ips,
    is_headless,
    is_reachable_from_outside,
    needs_address,
    needs_health_port,
)

Service = dict[str, Any]
Spec = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_TRAFFIC = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_MAX_AFFINITY_SECONDS = 86400
_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_FOR_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
_FOR_EXTERNAL_NAMES = "may not be set for ExternalName services"
_SET_ONCE = "may not change once set"


def check_service(obj: Service) -> Errors:
    errors: Errors = []
    spec = obj["spec"]
    annotations = obj["metadata"].get("annotations") or {}
    _check_topology(annotations, errors)
    _check_ports(spec, errors)
    _check_type(spec, errors)
    check_labels(spec.get("selector"), "spec.selector", errors)
    _check_affinity(spec, errors)
    _check_cluster_ips(spec, errors)
    for i, ip in enumerate(spec.get("externalIPs") or ()):
        if check_ip(ip, f"spec.externalIPs[{i}]", errors):
            check_not_special(ip, f"spec.externalIPs[{i}]", errors)
    _check_source_ranges(spec, annotations, errors)
    _check_balancer(spec, errors)
    _check_traffic(spec, errors)
    return errors


def _check_topology(annotations: Spec, errors: Errors) -> None:
    if _MODE in annotations and _HINTS in annotations and annotations[_MODE] != annotations[_HINTS]:
        told = f"must match annotations[{_HINTS}] when both are specified"
        errors.append(invalid_value(f"metadata.annotations[{_MODE}]", annotations[_MODE], told))


def _check_type(spec: Spec, errors: Errors) -> None:
    kind = spec.get("type") or ""
    check_choice(kind, "spec.type", errors, choices=_TYPES)
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        errors.append(invalid_value("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                errors.append(forbidden(f"spec.{field}", _FOR_EXTERNAL_NAMES))
        host = (spec.get("externalName") or "").removesuffix(".")
        if host:
            check_name(host, "spec.externalName", errors, rule=dns_subdomain)
        else:
            errors.append(required("spec.externalName"))


def _check_ports(spec: Spec, errors: Errors) -> None:
    ports = spec.get("ports") or []
    if not ports and not is_headless(spec) and spec.get("type") != "ExternalName":
        errors.append(required("spec.ports"))
    names: set[str] = set()
    for i, port in enumerate(ports):
        _check_port(port, f"spec.ports[{i}]", errors, must_be_named=len(ports) > 1, names=names)
        if spec.get("type") == "ClusterIP" and port.get("nodePort"):
            errors.append(forbidden(f"spec.ports[{i}].nodePort", "may not be used when `type` is 'ClusterIP'"))
    _check_unique(ports, errors)


def _check_port(port: Spec, path: str, errors: Errors, *, must_be_named: bool, names: set[str]) -> None:
    name = port.get("name") or ""
    if name:
        check_name(name, f"{path}.name", errors, rule=dns_label)
        if name in names:
            errors.append(duplicate(f"{path}.name", name))
        names.add(name)
    elif must_be_named:
        errors.append(required(f"{path}.name"))
    check_port(port.get("port") or 0, f"{path}.port", errors)
    check_choice(port.get("protocol"), f"{path}.protocol", errors, choices=PROTOCOLS)
    check_port_reference(port.get("targetPort"), f"{path}.targetPort", errors)
    if port.get("appProtocol") is not None:
        check_name(port["appProtocol"], f"{path}.appProtocol", errors, rule=qualified_name)


def _check_unique(ports: list[Spec], errors: Errors) -> None:
    node_ports, numbers = set(), set()
    for i, port in enumerate(ports):
        protocol, number, node_port = port.get("protocol") or "", port.get("port") or 0, port.get("nodePort") or 0
        if node_port and (protocol, node_port) in node_ports:
            errors.append(duplicate(f"spec.ports[{i}].nodePort", node_port))
        node_ports.add((protocol, node_port))
        if (protocol, number) in numbers:
            key = {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number}
            errors.append(duplicate(f"spec.ports[{i}]", {**key, "TargetPort": 0, "NodePort": 0}))
        numbers.add((protocol, number))


def _check_affinity(spec: Spec, errors: Errors) -> None:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinityConfig"
    check_choice(affinity, "spec.sessionAffinity", errors, choices=("ClientIP", "None"))
    if affinity == "None" and config is not None:
        errors.append(forbidden(path, "must not be set when session affinity is None"))
    if affinity != "ClientIP":
        return
    found: Any = config
    for field in ("clientIP", "timeoutSeconds"):
        if found is not None:
            found, path = found.get(field), f"{path}.{field}"
    if found is None:
        errors.append(required(path, "when session affinity type is ClientIP"))
    elif not 0 < found <= _MAX_AFFINITY_SECONDS:
        told = f"must be greater than 0 and less than or equal to {_MAX_AFFINITY_SECONDS}"
        errors.append(invalid_value(path, found, told))


def _check_cluster_ips(spec: Spec, errors: Errors) -> None:
    if spec.get("type") == "ExternalName":
        return
    ips, one = cluster_ips(spec), spec.get("clusterIP") or ""
    if one and not ips:
        errors.append(required("spec.clusterIPs"))
    elif one and ips[0] != one:
        errors.append(invalid_value("spec.clusterIPs", ips, "first value must match `clusterIP`"))
    elif ips and not one:
        errors.append(invalid_value("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified"))
    _check_families(spec, errors)
    if _check_each_ip(ips, errors):
        _check_ip_families(ips, spec.get("ipFamilies") or [], errors)


def _check_families(spec: Spec, errors: Errors) -> None:
    families = spec.get("ipFamilies") or []
    for i, family in enumerate(families):
        check_optional_choice(family, f"spec.ipFamilies[{i}]", errors, choices=_FAMILIES)
        if family in families[:i]:
            errors.append(duplicate(f"spec.ipFamilies[{i}]", family))
    check_optional_choice(spec.get("ipFamilyPolicy"), "spec.ipFamilyPolicy", errors, choices=_FAMILY_POLICIES)


def _check_each_ip(ips: list[str], errors: Errors) -> bool:
    good = True
    for i, ip in enumerate(ips):
        if i == 0 and ip == HEADLESS:
            if len(ips) > 1:
                errors.append(invalid_value("spec.clusterIPs", ips, "'None' must be the first and only value"))
                good = False
        else:
            good = check_ip(ip, f"spec.clusterIPs[{i}]", errors) and good
    if len(ips) > 2:
        errors.append(invalid_value("spec.clusterIPs", ips, "may only hold up to 2 values"))
    return good


def _check_ip_families(ips: list[str], families: list[str], errors: Errors) -> None:
    if ips == [HEADLESS]:
        return
    have = [family_of(ip) for ip in ips]
    if len(ips) > 1 and (len(set(have)) < 2 or len(ips) > 2):
        errors.append(invalid_value("spec.clusterIPs", ips, "may specify no more than one IP for each IP family"))
    for i, (ip, family, found) in enumerate(zip(ips, families, have, strict=False)):
        if family in _FAMILIES and family != found:
            told = f"expected an {family} value as indicated by `ipFamilies[{i}]`"
            errors.append(invalid_value(f"spec.clusterIPs[{i}]", ip, told))


def _check_source_ranges(spec: Spec, annotations: Spec, errors: Errors) -> None:
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        places = [(f"{path}[{i}]", text) for i, text in enumerate(ranges)]
    elif _RANGES_ANNOTATION in annotations:
        path, text = f"metadata.annotations[{_RANGES_ANNOTATION}]", annotations[_RANGES_ANNOTATION].strip()
        places = [(path, part) for part in text.split(",")] if text else []
    else:
        return
    if spec.get("type") != "LoadBalancer":
        errors.append(forbidden(path, _FOR_BALANCERS))
    for where, text in places:
        check_cidr(text.strip(), where, errors)


def _check_balancer(spec: Spec, errors: Errors) -> None:
    allocates, kind = spec.get("allocateLoadBalancerNodePorts"), spec.get("loadBalancerClass")
    if spec.get("type") == "LoadBalancer":
        if allocates is None:
            errors.append(required("allocateLoadBalancerNodePorts"))
        if kind is not None:
            check_name(kind, "spec.loadBalancerClass", errors, rule=qualified_name)
        return
    if allocates is not None:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", _FOR_BALANCERS))
    if kind is not None:
        errors.append(forbidden("spec.loadBalancerClass", _FOR_BALANCERS))


def _check_traffic(spec: Spec, errors: Errors) -> None:
    external, path = spec.get("externalTrafficPolicy") or "", "spec.externalTrafficPolicy"
    if is_reachable_from_outside(spec):
        check_choice(external, path, errors, choices=_TRAFFIC)
    elif external:
        errors.append(invalid_value(path, external, "may only be set for externally-accessible services"))
    _check_health_port(spec, errors)
    internal, path = spec.get("internalTrafficPolicy"), "spec.internalTrafficPolicy"
    if internal is None and needs_address(spec):
        errors.append(required(path))
    check_optional_choice(internal, path, errors, choices=_TRAFFIC)
    distribution = spec.get("trafficDistribution")
    check_optional_choice(distribution, "spec.trafficDistribution", errors, choices=_DISTRIBUTIONS)


def _check_health_port(spec: Spec, errors: Errors) -> None:
    port, path = spec.get("healthCheckNodePort") or 0, "spec.healthCheckNodePort"
    if needs_health_port(spec):
        if port:
            check_port(port, path, errors)
        else:
            errors.append(required(path))
    elif port:
        told = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid_value(path, port, told))


def check_service_update(obj: Service, old: Service) -> Errors:
    errors: Errors = []
    spec, before = obj["spec"], old.get("spec") or {}
    if needs_address(spec) and needs_address(before):
        _check_kept_ips(spec, before, errors)
        _check_kept_families(spec, before, errors)
    if spec.get("type") == before.get("type") == "LoadBalancer":
        kind = spec.get("loadBalancerClass")
        if kind != before.get("loadBalancerClass"):
            errors.append(invalid_value("spec.loadBalancerClass", kind, _SET_ONCE))
    probed = needs_health_port(spec) and needs_health_port(before)
    if probed and (spec.get("healthCheckNodePort") or 0) != (before.get("healthCheckNodePort") or 0):
        errors.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return errors


def _check_kept_ips(spec: Spec, old: Spec, errors: Errors) -> None:
    """Addresses stay; a second one may come, or go with the wish for one family."""
    ips, before = cluster_ips(spec), cluster_ips(old)
    if is_headless(spec) and is_headless(old):
        return
    if len(ips) == len(before):
        for i, (ip, was) in enumerate(zip(ips, before, strict=True)):
            if ip != was:
                errors.append(invalid_value(f"spec.clusterIPs[{i}]", ips, _SET_ONCE))
        return
    if before and not ips:
        errors.append(invalid_value("spec.clusterIPs[0]", spec.get("clusterIPs"), "primary clusterIP can not be unset"))
    elif before and ips[0] != before[0]:
        errors.append(invalid_value("spec.clusterIPs[0]", ips, _SET_ONCE))
    if len(ips) < len(before) and len(ips) == 1:
        _check_single_stack(spec, "clusterIP", errors)


def _check_single_stack(spec: Spec, what: str, errors: Errors) -> None:
    policy = spec.get("ipFamilyPolicy")
    if policy != "SingleStack":
        told = f"must be set to 'SingleStack' when releasing the secondary {what}"
        errors.append(invalid_value("spec.ipFamilyPolicy", policy, told))


def _check_kept_families(spec: Spec, old: Spec, errors: Errors) -> None:
    if is_headless(spec) or is_headless(old):
        return
    families, before = spec.get("ipFamilies") or [], old.get("ipFamilies") or []
    path = "spec.ipFamilies[0]"
    if len(families) == len(before):
        if families != before:
            errors.append(invalid_value(path, families, _SET_ONCE))
        return
    if before and families and families[0] != before[0]:
        errors.append(invalid_value(path, cluster_ips(spec), _SET_ONCE))
    if len(families) < len(before):
        if not cluster_ips(spec):
            errors.append(invalid_value(path, families, "primary ipFamily can not be unset"))
        if len(families) == 1:
            _check_single_stack(spec, "ipFamily", errors)
