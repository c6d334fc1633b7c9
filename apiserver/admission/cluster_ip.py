"""A Service of type ClusterIP, NodePort or LoadBalancer gets an address and node ports that no other Service has.

What a Service has, it keeps: clients that leave it out of an update get it back. Values that are no addresses or
ports at all are left to validation. The choice is made against the cache, brought up to the present, and what this
server gave out a moment ago. So two API servers that allocate within the same few milliseconds may choose the same
address; nothing routes these addresses yet (see docs/limits.md).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from apiserver.admission.base import Attributes, Lookup, Operation
from apiserver.admission.recent import Recent
from apiserver.api import fielderrors, status
from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds import service
from apiserver.rest.endpoint import Endpoint
from apiserver.store.base import StoredResource

Spec = dict[str, Any]

SERVICES = StoredResource("", "services")
_NODE_PORTS = range(30000, 32768)
_PORT_TAKEN = "provided port is already allocated"
_PORT_OUTSIDE = (
    f"provided port is not in the valid range. The range of valid ports is {_NODE_PORTS[0]}-{_NODE_PORTS[-1]}"
)


class ClusterIP:
    def __init__(self, lookup: Lookup, address_range: str) -> None:
        self._lookup = lookup
        self._network = ipaddress.ip_network(address_range)
        self._recent = Recent()

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored == SERVICES and not subresource and operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        """Raises Invalid for what another Service has, InternalError when nothing is left to give."""
        if attributes.obj is None:
            return
        spec: Spec = attributes.obj["spec"]
        old: Spec = (attributes.old or {}).get("spec") or {}
        if old:
            service.keep_allocated(spec, old)
        service.sync_cluster_ips(spec, old or None)
        await self._lookup.catch_up()
        # From here on nothing is awaited: two requests never choose at the same time.
        others = [s["spec"] for s in self._lookup.each(SERVICES) if not _same(s, attributes)]
        owner = (attributes.namespace, attributes.name)
        recent: Any = self._recent.of_others(owner)
        errors: list[FieldError] = []
        if service.needs_address(spec):
            self._give_address(spec, old, {ip for s in others for ip in service.cluster_ips(s)} | recent, errors)
        _give_ports(spec, old, {n for s in others for n in _ports_of(s)} | recent, errors)
        if errors:
            raise fielderrors.invalid("Service", "", attributes.name, errors)
        self._recent.hold(owner, [*service.cluster_ips(spec), *_ports_of(spec)])

    def _give_address(self, spec: Spec, old: Spec, taken: set[str], errors: list[FieldError]) -> None:
        asked = spec.get("clusterIP") or ""
        if asked and asked != old.get("clusterIP"):
            self._check_address(asked, taken, errors)
        elif not asked and not service.cluster_ips(spec):
            spec["clusterIP"] = self._free_address(taken)
            spec["clusterIPs"] = [spec["clusterIP"]]

    def _check_address(self, asked: str, taken: set[str], errors: list[FieldError]) -> None:
        try:
            address = ipaddress.ip_address(asked)
        except ValueError:
            # `None`, or what validation will complain of.
            return
        why = ""
        if address not in self._network:
            why = f"the provided IP ({asked}) is not in the valid range. The range of valid IPs is {self._network}"
        elif asked in taken:
            why = "provided IP is already allocated"
        if why:
            told = f"failed to allocate IP {asked}: {why}"
            errors.append(fielderrors.invalid_value("spec.clusterIPs", [asked], told))

    def _free_address(self, taken: set[str]) -> str:
        """From a random place on, leaving out the network itself and its broadcast address."""
        count = self._network.num_addresses - 2
        start = secrets.randbelow(count)
        candidates = (str(self._network[1 + (start + i) % count]) for i in range(count))
        found = next((c for c in candidates if c not in taken), None)
        if found is None:
            raise status.internal_error("failed to allocate a serviceIP: range is full")
        return found


def _give_ports(spec: Spec, old: Spec, taken: set[int], errors: list[FieldError]) -> None:
    own = set(_ports_of(old))
    for place, holder, field in _port_places(spec):
        asked = holder.get(field)
        if asked and asked not in own:
            why = _PORT_OUTSIDE if asked not in _NODE_PORTS else _PORT_TAKEN if asked in taken else ""
            if why:
                errors.append(fielderrors.invalid_value(place, asked, why))
    free = _free_ports(taken | own | set(_ports_of(spec)))
    for _, holder, field in _port_places(spec):
        if not holder.get(field):
            holder[field] = free()


def _port_places(spec: Spec) -> Iterator[tuple[str, Spec, str]]:
    """(path, what holds it, its field) of every port that the Service has on each node."""
    all_ports, balanced = service.needs_node_ports(spec), spec.get("type") == "LoadBalancer"
    for i, port in enumerate(spec.get("ports") or ()):
        if all_ports or (balanced and port.get("nodePort")):
            yield f"spec.ports[{i}].nodePort", port, "nodePort"
    if service.needs_health_port(spec):
        yield "spec.healthCheckNodePort", spec, "healthCheckNodePort"


def _ports_of(spec: Spec) -> Iterable[int]:
    return [holder[field] for _, holder, field in _port_places(spec) if holder.get(field)]


def _free_ports(used: set[int]) -> Callable[[], int]:
    free = (n for n in _NODE_PORTS if n not in used)

    def take() -> int:
        found = next(free, None)
        if found is None:
            raise status.internal_error("failed to allocate a nodePort: range is full")
        return found

    return take


def _same(other: Mapping[str, Any], attributes: Attributes) -> bool:
    meta = other["metadata"]
    return (meta["name"], meta.get("namespace", "")) == (attributes.name, attributes.namespace)
