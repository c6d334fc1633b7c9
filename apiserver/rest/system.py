"""Writes that the API server makes by itself, through the same path as everybody's."""

from __future__ import annotations

from apiserver.admission import Chain
from apiserver.authn.user import MASTERS, known
from apiserver.rest.call import Call
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.negotiation import Accepted
from apiserver.rest.request import HttpRequest, Query, RequestInfo

SYSTEM = known("system:apiserver", groups=(MASTERS,))


def system_call(endpoint: Endpoint, admission: Chain, *, verb: str, name: str = "", body: bytes = b"") -> Call:
    """A call by the server's own identity, for a cluster-scoped object."""
    info = RequestInfo(verb=verb, path="", resource=endpoint.resource.plural, name=name)
    return Call(
        request=HttpRequest("POST" if verb == "create" else "PUT", info, Query(b""), {}, body),
        endpoint=endpoint,
        user=SYSTEM,
        accepted=Accepted(),
        admission=admission,
    )
