"""Service: one name and address for a set of pods.

Its addresses and node ports are allocated at admission; what follows from them here is their agreement with the IP
families, and that a set value stays. A cluster has one family (`FAMILY`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE
from apiserver.api.kinds._label_selectors import labels_text
from apiserver.api.kinds._load_balancer import check_ingress, ingress_text
from apiserver.api.kinds._service_addresses import (
    FAMILY,
    cluster_ips,
    default_families,
    drop_unneeded,
    is_reachable_from_outside,
    keep_allocated,
    needs_address,
    needs_health_port,
    needs_node_ports,
    sync_cluster_ips,
)
from apiserver.api.kinds._service_validation import check_service, check_service_update
from apiserver.api.kinds.base import Cell, Column, KindRules, register

__all__ = [
    "FAMILY",
    "cluster_ips",
    "keep_allocated",
    "needs_address",
    "needs_health_port",
    "needs_node_ports",
    "sync_cluster_ips",
]

Service = dict[str, Any]

_AFFINITY_SECONDS = 3 * 60 * 60


def default(obj: Service) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("type"):
        spec["type"] = "ClusterIP"
    _default_affinity(spec)
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port") or 0
    if is_reachable_from_outside(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec["type"] in ("ClusterIP", "NodePort", "LoadBalancer") and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True


def _default_affinity(spec: Service) -> None:
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}


def prepare_create(obj: Service) -> None:
    obj["status"] = {"loadBalancer": {}}
    sync_cluster_ips(obj["spec"], None)
    default_families(obj["spec"], None)


def prepare_update(obj: Service, old: Service) -> None:
    spec, before = obj["spec"], old.get("spec") or {}
    keep_allocated(spec, before)
    sync_cluster_ips(spec, before)
    drop_unneeded(spec, before)
    default_families(spec, before)
    if spec["type"] != "LoadBalancer":
        obj["status"] = {**(obj.get("status") or {}), "loadBalancer": {}}


def prepare_status_update(obj: Service, old: Service) -> None:
    """An address is that of the balancer itself unless its owner says that it is a proxy's."""
    for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode") is None:
            ingress["ipMode"] = "VIP"


def validate_status_update(obj: Service, old: Service) -> list[FieldError]:
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    return check_ingress(balancer, service_type=(obj.get("spec") or {}).get("type") or "")


def selectable_fields(obj: Service) -> Mapping[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}


def _external(obj: Service, spec: Service) -> str:
    """Where it is reached from outside. A balancer that has no address yet is being made."""
    given = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(given) or NONE
        case "LoadBalancer":
            text = ingress_text((obj.get("status") or {}).get("loadBalancer") or {})
            return ",".join([text, *given] if text else given) or "<pending>"
        case "ExternalName":
            return spec.get("externalName") or ""
    return "<unknown>"


def _port(port: Service) -> str:
    number, node_port = port.get("port") or 0, port.get("nodePort") or 0
    shown = f"{number}:{node_port}" if node_port > 0 else str(number)
    return f"{shown}/{port.get('protocol') or ''}"


def row(obj: Service, now: datetime) -> Sequence[Cell]:
    spec, meta = obj.get("spec") or {}, obj["metadata"]
    return (
        meta["name"],
        spec.get("type") or "",
        next(iter(cluster_ips(spec)), NONE),
        _external(obj, spec),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        age(meta.get("creationTimestamp"), now),
        labels_text(spec.get("selector")),
    )


RULES = register(
    KindRules(
        group="",
        kind="Service",
        default=default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        prepare_status_update=prepare_status_update,
        validate=check_service,
        validate_update=check_service_update,
        validate_status_update=validate_status_update,
        validate_name=names.dns1123_label,
        selectable_fields=selectable_fields,
        field_names=frozenset(("spec.clusterIP", "spec.type")),
        columns=(
            NAME_COLUMN,
            Column("Type", description="Where it can be reached from."),
            Column("Cluster-IP", description="Its address inside the cluster."),
            Column("External-IP", description="Its addresses outside the cluster."),
            Column("Port(s)", description="Its ports, and those of the nodes that lead to it."),
            AGE_COLUMN,
            Column("Selector", description="Which pods it leads to.", priority=1),
        ),
        row=row,
        counts_generation=False,
        create_on_update=True,
    )
)
