"""A leader's writes are held to its lease."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from agents.client.election import Election
from apiserver.api.status import BadRequest, Conflict
from apiserver.rest import fence


def _lease(holder: str, transitions: int) -> bytes:
    return orjson.dumps({"spec": {"holderIdentity": holder, "leaseTransitions": transitions}})


async def test_what_an_election_says_is_understood() -> None:
    rest: Any = None
    election = Election(rest, name="kube-scheduler", identity="host_1/a;b", namespace="kube-system")
    election.transitions = 7
    read = fence.read(election.fence)
    assert read == fence.Fence("kube-system", "kube-scheduler", "host_1/a;b", 7)


def test_a_write_passes_while_its_author_leads() -> None:
    fence.Fence("ns", "lease", "me", 3).check(_lease("me", 3))


@pytest.mark.parametrize("lease", [_lease("other", 4), _lease("me", 5), _lease("", 3), None])
def test_a_write_is_refused_once_its_author_does_not_lead_any_more(lease: bytes | None) -> None:
    with pytest.raises(Conflict, match="fenced off: me does not hold the lease"):
        fence.Fence("ns", "lease", "me", 3).check(lease)


def test_without_a_header_there_is_no_fence() -> None:
    assert fence.read("") is None


@pytest.mark.parametrize("text", ["x", "ns/lease", "ns/lease;me", "ns/lease;me;x", "lease;me;1", "ns/;me;1", ";;"])
def test_a_fence_that_is_not_understood_is_not_passed(text: str) -> None:
    with pytest.raises(BadRequest):
        fence.read(text)
