"""Templates, the sets that stand for them, and what their annotations remember."""

from __future__ import annotations

from typing import Any

from agents.controllers import revisions
from tests.unit.agents.controllers.objects import deployment, replica_set, template

Obj = dict[str, Any]


def new_set(d: Obj, **changes: Any) -> Obj:
    return revisions.new_set(d, olds=changes.get("olds", []), replicas=2, most=3)


def test_the_hash_follows_the_template_and_the_collision_count() -> None:
    one, other = template("a"), template("b")
    assert revisions.template_hash(one, 0) == revisions.template_hash(template("a"), 0)
    assert revisions.template_hash(one, 0) != revisions.template_hash(other, 0)
    assert revisions.template_hash(one, 0) != revisions.template_hash(one, 1)


def test_a_new_set_selects_by_its_hash_and_is_owned() -> None:
    rs = new_set(deployment(2))
    hashed = rs["metadata"]["labels"]["pod-template-hash"]
    assert rs["metadata"]["name"] == f"web-{hashed}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hashed}
    assert rs["spec"]["template"]["metadata"]["labels"] == {"app": "web", "pod-template-hash": hashed}
    [owner] = rs["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (
        "Deployment", "d", True, True,
    )  # fmt: skip
    assert rs["metadata"]["annotations"] == {
        revisions.REVISION: "1", revisions.DESIRED: "2", revisions.MAX_REPLICAS: "3",
    }  # fmt: skip


def test_a_long_name_leaves_room_for_the_hash() -> None:
    d = deployment(1)
    d["metadata"]["name"] = "n" * 253
    assert len(new_set(d)["metadata"]["name"]) == 253


def test_a_collision_gives_another_name() -> None:
    d = deployment(1)
    counted = {**d, "status": {"collisionCount": 1}}
    assert new_set(d)["metadata"]["name"] != new_set(counted)["metadata"]["name"]


def test_the_set_of_a_template_is_found_again_whatever_its_hash_label() -> None:
    d = deployment(2)
    rs = new_set(d)
    rs["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert revisions.find_new(d, [rs]) is rs
    assert revisions.find_new(deployment(2, image="b"), [rs]) is None


def test_of_several_sets_of_a_template_the_oldest_is_the_new_one() -> None:
    d = deployment(1)
    sets = [replica_set("b", 1, image="a", age=2), replica_set("a", 1, image="a", age=1)]
    assert revisions.find_new(d, sets) is sets[1]


def test_what_is_empty_is_as_if_it_were_absent_but_an_empty_object_says_something() -> None:
    bare, full = template(), template()
    full["metadata"]["annotations"] = {}
    full["spec"] |= {"nodeSelector": {}, "imagePullSecrets": [], "nodeName": None}
    assert revisions.same_template(bare, full)
    full["spec"]["securityContext"] = {}
    assert not revisions.same_template(bare, full)


def test_the_new_set_takes_the_deployments_annotations_and_the_next_revision() -> None:
    d = deployment(1)
    d["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "why", revisions.REVISION: "7",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }  # fmt: skip
    olds = [replica_set("a", 0, annotations={revisions.REVISION: "3"})]
    made = revisions.new_set(d, olds=olds, replicas=1, most=2)["metadata"]["annotations"]
    assert made["kubernetes.io/change-cause"] == "why"
    assert made[revisions.REVISION] == "4"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in made


def test_a_rollback_takes_the_next_revision_and_keeps_the_history() -> None:
    made = revisions.revised(deployment(1), {revisions.REVISION: "1"}, 3)
    assert (made[revisions.REVISION], made[revisions.REVISION_HISTORY]) == ("3", "1")
    again = revisions.revised(deployment(1), made, 5)
    assert again[revisions.REVISION_HISTORY] == "1,3"


def test_a_revision_never_falls() -> None:
    before = {revisions.REVISION: "9"}
    assert revisions.revised(deployment(1), before, 2) == before


def test_revisions_are_numbers_and_not_texts() -> None:
    assert revisions.revised(deployment(1), {revisions.REVISION: "9"}, 10)[revisions.REVISION] == "10"
    assert revisions.revision_of(replica_set("a", 0, annotations={revisions.REVISION: "odd"})) == 0


def test_the_history_has_an_end() -> None:
    before = {revisions.REVISION: "9999", revisions.REVISION_HISTORY: ",".join(str(n) for n in range(3000, 3500))}
    made = revisions.revised(deployment(1), before, 10_000)[revisions.REVISION_HISTORY]
    assert len(made) <= revisions.HISTORY_LENGTH
    assert made.endswith("3499,9999")


def test_sizing_an_old_set_leaves_its_own_annotations_alone() -> None:
    d = deployment(4)
    d["metadata"]["annotations"] = {"kubernetes.io/change-cause": "new"}
    made = revisions.sized(d, {"kubernetes.io/change-cause": "old"}, 5)
    assert made == {"kubernetes.io/change-cause": "old", revisions.DESIRED: "4", revisions.MAX_REPLICAS: "5"}
