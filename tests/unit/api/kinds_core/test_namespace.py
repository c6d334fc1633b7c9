from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.kinds.namespace import RULES
from tests.unit.api.kinds_core.objects import an_object
from tests.unit.api.kinds_workloads.objects import NOW, complaints, created, told


def a_namespace(name: str = "team", **fields: Any) -> dict[str, Any]:
    made = an_object(name, **fields)
    del made["metadata"]["namespace"]
    return made


def test_a_new_namespace_is_active_and_waits_for_its_content_to_go() -> None:
    made = created(RULES, a_namespace(spec={"finalizers": ["example.com/mine"]}))
    assert made["spec"] == {"finalizers": ["example.com/mine", "kubernetes"]}
    assert made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert created(RULES, created(RULES, a_namespace()))["spec"] == {"finalizers": ["kubernetes"]}


def test_the_name_label_comes_back_when_it_is_taken_away() -> None:
    made = a_namespace()
    made["metadata"]["labels"] = {"a": "b", "kubernetes.io/metadata.name": "other"}
    RULES.default(made)
    assert made["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "team"}


def test_a_namespaces_name_is_a_label() -> None:
    assert RULES.validate_name is not None
    assert RULES.validate_name("a.b") != []
    assert RULES.validate_name("a-b") == []


def test_finalizers_say_whose_they_are() -> None:
    assert complaints(RULES, a_namespace(spec={"finalizers": ["mine"]})) == [
        'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    ]


@pytest.mark.parametrize(
    ("deleted", "phase", "complaint"),
    [
        (False, "Active", ""),
        (True, "Terminating", ""),
        (False, "Terminating", "may only be 'Active' if `deletionTimestamp` is empty"),
        (True, "Active", "may only be 'Terminating' if `deletionTimestamp` is not empty"),
    ],
)
def test_the_phase_follows_the_deletion(deleted: bool, phase: str, complaint: str) -> None:
    made = a_namespace(status={"phase": phase})
    if deleted:
        made["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:00Z"
    expected = [f'status.Phase: Invalid value: "{phase}": {complaint}'] if complaint else []
    assert told(RULES.validate_status_update(made, made)) == expected


def test_a_namespaces_row_and_selectable_phase() -> None:
    made = created(RULES, a_namespace())
    assert RULES.row is not None
    assert RULES.row(made, NOW) == ("team", "Active", "2m")
    assert RULES.selectable_fields(made) == {"status.phase": "Active"}
