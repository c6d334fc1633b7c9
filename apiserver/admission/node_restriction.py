"""A node's identity writes to its own Node and Lease, to its pods and to its kubelet's subscription, and nothing else.

Upstream: plugin/pkg/admission/noderestriction. An identity in the group `system:nodes` whose name is not
`system:node:<name>` speaks for a fleet of simulated nodes in one process and is not held to one name.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.admission.base import Attributes, Operation, refuse
from apiserver.rest.endpoint import PODS, Endpoint
from apiserver.store.base import StoredResource
from apiserver.subscriptions.spec import SUBSCRIPTIONS, selection_of

_NODES = StoredResource("", "nodes")
_LEASES = StoredResource("coordination.k8s.io", "leases")
_LEASE_NAMESPACE = "kube-node-lease"
_PREFIX = "system:node:"


class NodeRestriction:
    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored in _CHECKS

    async def admit(self, attributes: Attributes) -> None:
        user = attributes.user
        if user.name.startswith(_PREFIX) and "system:nodes" in user.groups:
            _CHECKS[attributes.endpoint.stored](attributes, user.name.removeprefix(_PREFIX))


def _check_node(attributes: Attributes, node: str) -> None:
    if attributes.name != node:
        raise refuse(attributes, f'node "{node}" is not allowed to modify node "{attributes.name}"')


def _check_subscription(attributes: Attributes, node: str) -> None:
    selected = selection_of((attributes.obj or {}).get("spec") or {})
    if attributes.name != f"kubelet-{node}" or selected.node != node:
        raise refuse(attributes, f'node "{node}" may have no subscription but "kubelet-{node}" to itself')


def _check_lease(attributes: Attributes, node: str) -> None:
    if attributes.namespace != _LEASE_NAMESPACE:
        raise refuse(attributes, f'can only access leases in the "{_LEASE_NAMESPACE}" system namespace')
    if attributes.name != node:
        raise refuse(attributes, "can only access node lease with the same name as the requesting node")


def _check_pod(attributes: Attributes, node: str) -> None:
    pod = attributes.old or attributes.obj or {}
    if pod.get("spec", {}).get("nodeName", "") != node:
        verb = {"CREATE": "create", "DELETE": "delete", "UPDATE": "update status for"}[attributes.operation]
        raise refuse(attributes, f'node "{node}" can only {verb} pods with spec.nodeName set to itself')


_CHECKS: dict[StoredResource, Callable[[Attributes, str], None]] = {
    PODS: _check_pod,
    _NODES: _check_node,
    _LEASES: _check_lease,
    SUBSCRIPTIONS: _check_subscription,
}
