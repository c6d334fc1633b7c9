"""Writes of a leader hold only while it leads: the header `Backbeat-Fence: <namespace>/<lease>;<holder>;<transitions>`.

A process that is stopped in the middle of a request, or whose request is held up on its way, may be heard long after
another one took over. It names the lease that it leads by, its identity there and the count of leaders before it; just
before the write is committed, the record is asked whether that is still so. (Between the question and the commit lies
less than a millisecond; a takeover lies seconds after the last word of the leader before.)
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from apiserver.api.status import BadRequest, Conflict
from apiserver.store.base import Key, StoredResource

HEADER = "backbeat-fence"
LEASES = StoredResource("coordination.k8s.io", "leases")


@dataclass(frozen=True, slots=True)
class Fence:
    namespace: str
    lease: str
    holder: str
    transitions: int

    @property
    def key(self) -> Key:
        return Key(LEASES, self.namespace, self.lease)

    def check(self, lease: bytes | None) -> None:
        """`lease`: the object as it is now. Raises Conflict when somebody else leads."""
        spec = orjson.loads(lease).get("spec") or {} if lease is not None else {}
        holder, transitions = spec.get("holderIdentity") or "", spec.get("leaseTransitions") or 0
        if (holder, transitions) != (self.holder, self.transitions):
            raise Conflict(
                f'the write was fenced off: {self.holder} does not hold the lease "{self.namespace}/{self.lease}" any '
                f"more ({holder or 'nobody'} does)",
                group=LEASES.group,
                kind=LEASES.resource,
                name=self.lease,
            )


def read(text: str) -> Fence | None:
    """None without a header. Raises BadRequest: a fence that is not understood must not be passed."""
    if not text:
        return None
    place, _, rest = text.partition(";")
    holder, _, transitions = rest.rpartition(";")
    namespace, _, lease = place.partition("/")
    if not (namespace and lease and holder and transitions.isdigit()):
        raise BadRequest(f"{HEADER}: want <namespace>/<lease>;<holder>;<transitions>")
    return Fence(unquote(namespace), unquote(lease), unquote(holder), int(transitions))
