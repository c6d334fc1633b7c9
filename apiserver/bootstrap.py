"""What every control plane has from its first moment: the system namespaces and priority classes.

Made through the same create path as everything else, so they are validated, numbered and published like any object.
"""

from __future__ import annotations

from typing import Any

import orjson
import structlog

from apiserver.admission import Chain
from apiserver.api.status import AlreadyExists
from apiserver.authn.user import MASTERS, known
from apiserver.rest.call import Call
from apiserver.rest.create import create_object
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.negotiation import Accepted
from apiserver.rest.records import Records
from apiserver.rest.request import HttpRequest, Query, RequestInfo

Obj = dict[str, Any]

log = structlog.get_logger(__name__)

SYSTEM = known("system:apiserver", groups=(MASTERS,))

_CRITICAL = "Used for system critical pods that must "
_CLASSES = {
    "system-cluster-critical": (
        2_000_000_000,
        _CRITICAL + "run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (2_000_001_000, _CRITICAL + "not be moved from their current node."),
}
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def _objects() -> list[Obj]:
    namespaces: list[Obj] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES
    ]
    classes: list[Obj] = [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": description,
        }
        for name, (value, description) in _CLASSES.items()
    ]
    return namespaces + classes


async def ensure(records: Records, endpoints: Endpoints, admission: Chain) -> None:
    """Create what is missing. Raises ServiceUnavailable while the store is away."""
    for obj in _objects():
        group, _, version = obj["apiVersion"].rpartition("/")
        plural = "namespaces" if obj["kind"] == "Namespace" else "priorityclasses"
        endpoint = endpoints.find(group, version, plural)
        if endpoint is None:
            raise RuntimeError(f"{plural} are not served")
        await _ensure(records, endpoint, admission, obj)


async def _ensure(records: Records, endpoint: Endpoint, admission: Chain, obj: Obj) -> None:
    name = obj["metadata"]["name"]
    if await records.find(endpoint, "", name):
        return
    info = RequestInfo(verb="create", path="", resource=endpoint.resource.plural)
    call = Call(
        request=HttpRequest("POST", info, Query(b""), {}, orjson.dumps(obj)),
        endpoint=endpoint,
        user=SYSTEM,
        accepted=Accepted(),
        admission=admission,
    )
    try:
        await create_object(records, call, endpoint, obj)
    except AlreadyExists:
        log.info("another API server was faster", kind=endpoint.kind, name=name)
