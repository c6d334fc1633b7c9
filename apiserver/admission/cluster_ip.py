"""A Service of type ClusterIP, NodePort or LoadBalancer gets an address and node ports that no other Service has.

The choice is made against the cache, so two API servers that allocate within the same few milliseconds may choose the
same address; nothing routes these addresses yet (see docs/limits.md).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.admission.base import Attributes, Lookup, Operation
from apiserver.api import fielderrors
from apiserver.rest.endpoint import Endpoint
from apiserver.store.base import StoredResource

SERVICES = StoredResource("", "services")
_NODE_PORTS = range(30000, 32768)


class ClusterIP:
    def __init__(self, lookup: Lookup, address_range: str) -> None:
        self._lookup = lookup
        self._network = ipaddress.ip_network(address_range)

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored == SERVICES and not subresource and operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        if attributes.obj is None:
            return
        spec = attributes.obj["spec"]
        if spec.get("type") == "ExternalName":
            return
        others = [s for s in self._lookup.each(SERVICES) if not _same(s, attributes)]
        self._address(attributes, spec, {ip for s in others for ip in s["spec"].get("clusterIPs", ())})
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            _ports(spec, {p.get("nodePort") for s in others for p in s["spec"].get("ports", ())})

    def _address(self, attributes: Attributes, spec: dict[str, Any], taken: set[str]) -> None:
        asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if asked == "None":
            spec["clusterIP"], spec["clusterIPs"] = "None", ["None"]
            return
        before = (attributes.old or {}).get("spec", {}).get("clusterIP", "")
        if not asked:
            asked = before or self._free(taken)
        elif asked != before:
            self._check(attributes, asked, taken)
        spec["clusterIP"] = asked
        spec["clusterIPs"] = [asked]

    def _check(self, attributes: Attributes, asked: str, taken: set[str]) -> None:
        why = ""
        if asked in taken:
            why = f"failed to allocate IP {asked}: provided IP is already allocated"
        elif ipaddress.ip_address(asked) not in self._network:
            why = f"failed to allocate IP {asked}: the provided IP is not in the valid range. "
            why += f"The range of valid IPs is {self._network}"
        if why:
            errors = [fielderrors.invalid_value("spec.clusterIPs", [asked], why)]
            raise fielderrors.invalid("Service", "", attributes.name, errors)

    def _free(self, taken: Iterable[str]) -> str:
        used = set(taken)
        while True:
            offset = 10 + secrets.randbelow(self._network.num_addresses - 11)
            candidate = str(self._network[offset])
            if candidate not in used:
                return candidate


def _ports(spec: dict[str, Any], taken: set[int | None]) -> None:
    used = taken | {p.get("nodePort") for p in spec.get("ports", ())}
    for port in spec.get("ports", ()):
        if not port.get("nodePort"):
            port["nodePort"] = next(n for n in _NODE_PORTS if n not in used)
            used.add(port["nodePort"])


def _same(service: Mapping[str, Any], attributes: Attributes) -> bool:
    meta = service["metadata"]
    return meta["name"] == attributes.name and meta.get("namespace", "") == attributes.namespace
