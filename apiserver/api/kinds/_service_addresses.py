"""The cluster IPs, IP families and node ports of a Service: kept, in step with each other, dropped when not needed.

`clusterIP` is the first of `clusterIPs`; clients that know the older field alone are helped along. Families follow
from the addresses, or are the cluster's one.
"""

from __future__ import annotations

from typing import Any, Literal

Spec = dict[str, Any]

FAMILY: Literal["IPv4"] = "IPv4"
"""The family of a cluster's Services."""
HEADLESS = "None"
WITH_ADDRESS = ("ClusterIP", "NodePort", "LoadBalancer")


def cluster_ips(spec: Spec) -> list[str]:
    return spec.get("clusterIPs") or []


def is_headless(spec: Spec) -> bool:
    return cluster_ips(spec) == [HEADLESS]


def needs_address(spec: Spec) -> bool:
    """`None` counts as an address here: the type alone decides."""
    return spec.get("type") in WITH_ADDRESS


def needs_node_ports(spec: Spec) -> bool:
    if spec.get("type") == "NodePort":
        return True
    return spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False


def is_reachable_from_outside(spec: Spec) -> bool:
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_port(spec: Spec) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def keep_allocated(spec: Spec, old: Spec) -> None:
    """Clients that leave out what the server chose get it back."""
    if needs_address(spec) and needs_address(old):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not cluster_ips(spec) and cluster_ips(old) and spec.get("clusterIP") == old.get("clusterIP"):
            spec["clusterIPs"] = list(cluster_ips(old))
    if needs_node_ports(spec) and needs_node_ports(old):
        _keep_node_ports(spec.get("ports") or [], old.get("ports") or [])
    if needs_health_port(spec) and needs_health_port(old) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old.get("healthCheckNodePort") or 0


def _keep_node_ports(ports: list[Spec], old: list[Spec]) -> None:
    """By the name of the port, unless another port has taken the number."""
    known = {port.get("name") or "": port.get("nodePort") or 0 for port in old}
    used = {port.get("nodePort") for port in ports} & set(known.values())
    for port in ports:
        before = known.get(port.get("name") or "", 0)
        if not port.get("nodePort") and before and before not in used:
            port["nodePort"] = before
            used.add(before)


def sync_cluster_ips(spec: Spec, old: Spec | None) -> None:
    """Put `clusterIPs` in step with `clusterIP`. `old` is None for a new Service."""
    one = spec.get("clusterIP") or ""
    if old is None:
        if one and not cluster_ips(spec):
            spec["clusterIPs"] = [one]
        return
    before, same = old.get("clusterIP") or "", cluster_ips(spec) == cluster_ips(old)
    if one == before and not cluster_ips(spec) and cluster_ips(old):
        spec["clusterIPs"] = list(cluster_ips(old))
    elif one != before and same:
        if one:
            spec["clusterIPs"] = [one]
        else:
            spec.pop("clusterIPs", None)


def _drop_unchanged(spec: Spec, old: Spec, *fields: str) -> None:
    for field in fields:
        if spec.get(field) == old.get(field):
            spec.pop(field, None)


def drop_unneeded(spec: Spec, old: Spec) -> None:
    """A change of type takes along what only the old type had, where the client left it as it was."""
    if needs_address(old) and not needs_address(spec):
        if cluster_ips(spec) == cluster_ips(old):
            spec.pop("clusterIP", None)
        _drop_unchanged(spec, old, "clusterIPs", "ipFamilies", "ipFamilyPolicy")
    if _has_node_ports(old) and not _has_node_ports(spec) and _node_ports(spec) == _node_ports(old):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(spec):
        _drop_unchanged(spec, old, "healthCheckNodePort")
    if old.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        _drop_unchanged(spec, old, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if is_reachable_from_outside(old) and not is_reachable_from_outside(spec):
        _drop_unchanged(spec, old, "externalTrafficPolicy")


def _has_node_ports(spec: Spec) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def _node_ports(spec: Spec) -> set[int]:
    return {port.get("nodePort") or 0 for port in spec.get("ports") or ()}


def default_families(spec: Spec, old: Spec | None) -> None:
    """One family unless the Service asks for two, which only one without addresses of its own can have here."""
    if not needs_address(spec):
        return
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = (old or {}).get("ipFamilyPolicy") or "SingleStack"
    families = list(spec.get("ipFamilies") or (old or {}).get("ipFamilies") or ()) or _families(cluster_ips(spec))
    if is_headless(spec) and not spec.get("selector") and spec["ipFamilyPolicy"] != "SingleStack":
        families = [*families, *(f for f in ("IPv4", "IPv6") if f not in families)]
    spec["ipFamilies"] = families


def _families(addresses: list[str]) -> list[str]:
    found = ["IPv6" if ":" in address else "IPv4" for address in addresses if address != HEADLESS]
    return found or [FAMILY]
