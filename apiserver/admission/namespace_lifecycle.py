"""Nothing is created in a namespace that does not exist or is going away; the system's namespaces stay.

Upstream: plugin/pkg/admission/namespace/lifecycle.
"""

from __future__ import annotations

from apiserver.admission.base import Attributes, Lookup, Operation, refuse
from apiserver.api.status import Cause, not_found
from apiserver.rest.endpoint import NAMESPACES, Endpoint

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_ASKED_ONLY = frozenset({"authorization.k8s.io"})


class NamespaceLifecycle:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        if endpoint.stored == NAMESPACES:
            return operation == "DELETE"
        return operation == "CREATE" and endpoint.resource.namespaced and endpoint.resource.group not in _ASKED_ONLY

    async def admit(self, attributes: Attributes) -> None:
        if attributes.operation == "DELETE":
            if attributes.name in IMMORTAL:
                raise refuse(attributes, "this namespace may not be deleted")
            return
        namespace = await self._lookup.lookup(NAMESPACES, "", attributes.namespace)
        if namespace is None:
            raise not_found("namespaces", "", attributes.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            self._refuse_new_content(attributes)

    @staticmethod
    def _refuse_new_content(attributes: Attributes) -> None:
        ns = attributes.namespace
        error = refuse(attributes, f"unable to create new content in namespace {ns} because it is being terminated")
        error.causes = (Cause("NamespaceTerminating", f"namespace {ns} is being terminated", "metadata.namespace"),)
        raise error
