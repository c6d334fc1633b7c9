"""Objects are taken over and let go by labels and references."""

from __future__ import annotations

from typing import Any

from agents.controllers import ownership
from tests.unit.agents.controllers.objects import at, pod, replica_set

Obj = dict[str, Any]


def owned(name: str, uid: str, **meta: Any) -> Obj:
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": uid, "controller": True}
    return pod(name, ownerReferences=[reference], **meta)


def claims(rs: Obj, *pods: Obj, may_adopt: bool = True) -> dict[str, list[str]]:
    made = ownership.claim(rs, pods, may_adopt=lambda _: may_adopt)
    return {field: [one["metadata"]["name"] for one in getattr(made, field)] for field in ("owned", "adopt", "release")}


def test_what_matches_is_kept_or_taken_over_and_what_does_not_is_let_go() -> None:
    rs = replica_set("rs", 1)
    assert claims(rs, owned("mine", "rs"), pod("free"), owned("odd", "rs", labels={}), pod("other", labels={})) == {
        "owned": ["mine"], "adopt": ["free"], "release": ["odd"],
    }  # fmt: skip


def test_what_somebody_else_controls_is_left_alone() -> None:
    assert claims(replica_set("rs", 1), owned("theirs", "other")) == {"owned": [], "adopt": [], "release": []}


def test_a_reference_that_does_not_control_is_no_hindrance() -> None:
    free = pod("free", ownerReferences=[{"uid": "other", "kind": "X", "name": "x", "apiVersion": "v1"}])
    assert claims(replica_set("rs", 1), free)["adopt"] == ["free"]


def test_an_owner_on_its_way_out_takes_nothing_over_and_lets_nothing_go() -> None:
    rs = replica_set("rs", 1)
    rs["metadata"]["deletionTimestamp"] = at(0)
    assert claims(rs, pod("free"), owned("odd", "rs", labels={})) == {"owned": ["odd"], "adopt": [], "release": []}


def test_what_may_not_be_adopted_is_not() -> None:
    assert claims(replica_set("rs", 1), pod("done"), may_adopt=False)["adopt"] == []


def test_indexes_find_by_controller_and_orphans_by_namespace() -> None:
    assert list(ownership.by_controller(owned("a", "rs"))) == ["rs"]
    assert list(ownership.by_controller(pod("a"))) == []
    assert list(ownership.orphan(pod("a"))) == ["default"]
    assert list(ownership.orphan(owned("a", "rs"))) == []
