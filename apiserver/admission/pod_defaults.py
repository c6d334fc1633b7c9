"""What every new pod gets: its service account and the tolerations that let it outlive a short outage of its node.

Upstream: ServiceAccount and DefaultTolerationSeconds. The account `default` is made by a controller a moment after its
namespace, so a pod may be ahead of it; any other account must exist.
"""

from __future__ import annotations

from apiserver.admission.base import Attributes, Lookup, Operation, refuse
from apiserver.api.kinds.pod import add_default_tolerations, set_service_account
from apiserver.rest.endpoint import PODS, Endpoint
from apiserver.store.base import StoredResource

_ACCOUNTS = StoredResource("", "serviceaccounts")


class PodDefaults:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored == PODS and not subresource and operation == "CREATE"

    async def admit(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if pod is None:
            return
        set_service_account(pod)
        add_default_tolerations(pod)
        account = pod["spec"]["serviceAccountName"]
        if account != "default" and await self._lookup.lookup(_ACCOUNTS, attributes.namespace, account) is None:
            raise refuse(
                attributes,
                f"error looking up service account {attributes.namespace}/{account}: "
                f'serviceaccount "{account}" not found',
            )
