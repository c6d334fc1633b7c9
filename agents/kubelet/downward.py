"""Fields of the pod and of its containers' resources, for environments and downwardAPI volumes. Pure.

`fieldRef`: metadata.name, namespace, uid, labels, annotations (whole or one key), spec.nodeName,
spec.serviceAccountName, status.podIP(s), status.hostIP(s). `resourceFieldRef`: requests and limits of cpu, memory and
ephemeral-storage; a limit that is not set is the node's capacity, a request that is not set is the limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.api.kinds._amounts import UNIT, amount

Obj = dict[str, Any]

_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class NoSuchField(Exception):
    """The path or resource is not one that a container can be told of."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """The pod, and what is only known on its node."""

    pod: Obj
    node: str
    host_ip: str
    pod_ip: str
    capacity: Mapping[str, str] = field(default_factory=dict)  # the node's, as quantities


def pod_field(facts: PodFacts, path: str) -> str:
    """Raises NoSuchField."""
    meta, spec = facts.pod["metadata"], facts.pod["spec"]
    keyed = _KEYED.match(path)
    if keyed:
        return str((meta.get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = (meta.get(path.rpartition(".")[2]) or {}).items()
        return "\n".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in sorted(pairs))
    known = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": facts.node,
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
    }
    if path not in known:
        raise NoSuchField(f"unsupported fieldPath: {path}")
    return str(known[path])


def resource_field(facts: PodFacts, container: Obj, ref: Obj) -> str:
    """The amount divided by the divisor, rounded up. Raises NoSuchField."""
    kind, _, resource = str(ref["resource"]).partition(".")
    if kind not in ("limits", "requests") or resource not in ("cpu", "memory", "ephemeral-storage"):
        raise NoSuchField(f"unsupported container resource: {ref['resource']}")
    resources = container.get("resources") or {}
    limit = (resources.get("limits") or {}).get(resource)
    asked = (resources.get("requests") or {}).get(resource) if kind == "requests" else None
    stated = asked if asked is not None else limit
    if stated is None:
        stated = facts.capacity.get(resource, "0") if kind == "limits" else "0"
    divisor = amount(ref.get("divisor") or "1") or UNIT
    return str(-(-amount(stated) // divisor))
