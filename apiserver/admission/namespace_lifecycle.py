"""Nothing is created in a namespace that does not exist or is going away; the system's namespaces stay.

The cache may show for a moment that a namespace is well whose deletion has begun. Who has begun it through this server
is not told so: for a while such a namespace is looked up as it is. Upstream: plugin/pkg/admission/namespace/lifecycle.
"""

from __future__ import annotations

import time

from apiserver.admission.base import Attributes, Lookup, Operation, refuse
from apiserver.api.status import Cause, not_found
from apiserver.rest.endpoint import NAMESPACES, Endpoint

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_ASKED_ONLY = frozenset({"authorization.k8s.io"})
_LIVE_SECONDS = 30.0
"""How long a namespace is looked up as it is after a DELETE (upstream: `forceLiveLookupTTL`)."""


class NamespaceLifecycle:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._live_until: dict[str, float] = {}

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        if endpoint.stored == NAMESPACES:
            return operation == "DELETE"
        return operation == "CREATE" and endpoint.resource.namespaced and endpoint.resource.group not in _ASKED_ONLY

    async def admit(self, attributes: Attributes) -> None:
        if attributes.operation == "DELETE":
            if attributes.name in IMMORTAL:
                raise refuse(attributes, "this namespace may not be deleted")
            self._live_until[attributes.name] = time.monotonic() + _LIVE_SECONDS
            return
        live = bool(self._live_until) and self._is_live(attributes.namespace)
        namespace = await self._lookup.lookup(NAMESPACES, "", attributes.namespace, live=live)
        if namespace is None:
            raise not_found("namespaces", "", attributes.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            self._refuse_new_content(attributes)

    def _is_live(self, name: str) -> bool:
        now = time.monotonic()
        self._live_until = {n: until for n, until in self._live_until.items() if until > now}
        return name in self._live_until

    @staticmethod
    def _refuse_new_content(attributes: Attributes) -> None:
        ns = attributes.namespace
        error = refuse(attributes, f"unable to create new content in namespace {ns} because it is being terminated")
        error.causes = (Cause("NamespaceTerminating", f"namespace {ns} is being terminated", "metadata.namespace"),)
        raise error
