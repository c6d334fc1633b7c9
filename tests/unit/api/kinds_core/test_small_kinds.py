"""Service accounts and leases."""

from __future__ import annotations

from typing import Any

from apiserver.api.kinds import lease, serviceaccount
from tests.unit.api.kinds_core.objects import an_object
from tests.unit.api.kinds_workloads.objects import NOW, complaints, created


def test_a_service_account_names_secrets_of_its_own_namespace() -> None:
    rules = serviceaccount.RULES
    made = created(rules, an_object(secrets=[{"name": "a", "namespace": "other"}, {}]))
    assert made["secrets"] == [{"name": "a"}, {}]
    assert rules.row is not None
    assert rules.row(made, NOW) == ("a", "2m")


def test_a_leases_numbers_are_sensible() -> None:
    rules = lease.RULES
    assert complaints(rules, an_object()) == []
    assert complaints(rules, an_object(spec={"leaseDurationSeconds": 0, "leaseTransitions": -1})) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]


def test_coordinated_election_is_off() -> None:
    made: dict[str, Any] = created(lease.RULES, an_object(spec={"strategy": "x", "preferredHolder": "y"}))
    assert made["spec"] == {}


def test_a_lease_may_be_made_by_put_and_is_replaced_by_those_who_read_it() -> None:
    assert lease.RULES.create_on_update
    assert lease.RULES.extra["requires_resource_version"]
    assert lease.RULES.row is not None
    assert lease.RULES.row(an_object(spec={"holderIdentity": "me"}), NOW) == ("a", "me", "2m")
