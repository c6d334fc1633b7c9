"""A CertificateSigningRequest says who asked for it: who really did, whatever its author wrote there.

Upstream: `pkg/registry/certificates/certificates/strategy.go`.
"""

from __future__ import annotations

from apiserver.admission.base import Attributes, Operation
from apiserver.api.kinds.certificatesigningrequest import REQUESTER
from apiserver.rest.endpoint import Endpoint
from apiserver.store.base import StoredResource

_REQUESTS = StoredResource("certificates.k8s.io", "certificatesigningrequests")


class CertificateRequester:
    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored == _REQUESTS and not subresource and operation == "CREATE"

    async def admit(self, attributes: Attributes) -> None:
        if attributes.obj is None:
            return
        spec = attributes.obj.setdefault("spec", {})
        for field in REQUESTER:
            spec.pop(field, None)
        spec.update(attributes.user.to_user_info())
