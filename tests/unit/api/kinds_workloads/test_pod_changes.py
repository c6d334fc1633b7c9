from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds.pod import RULES, apply_binding, validate_binding
from apiserver.api.status import Conflict, Invalid
from tests.unit.api.kinds_workloads.objects import NOW, container, created, pod, told


def changed(old: dict[str, Any], **spec: Any) -> list[str]:
    new = copy.deepcopy(old)
    new["spec"].update(spec)
    return told(RULES.validate_update(new, old))


def stored(**spec: Any) -> dict[str, Any]:
    return created(RULES, pod(**spec))


def binding(node: str = "n1", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", **meta}, "target": {"kind": "Node", "name": node}}


def test_an_image_may_change_and_a_command_may_not() -> None:
    old = stored()
    assert changed(old, containers=[{**old["spec"]["containers"][0], "image": "nginx:2"}]) == []
    (complaint,) = changed(old, containers=[{**old["spec"]["containers"][0], "command": ["sh"]}])
    assert complaint == (
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
        '+ spec.containers[0].command: ["sh"]'
    )


def test_containers_are_neither_added_nor_removed() -> None:
    old = stored()
    more = [*old["spec"]["containers"], container(name="other")]
    assert changed(old, containers=more) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_a_deadline_may_only_come_nearer() -> None:
    path = "spec.activeDeadlineSeconds: Invalid value"
    assert changed(stored(), activeDeadlineSeconds=10) == []
    old = stored(activeDeadlineSeconds=10)
    assert changed(old, activeDeadlineSeconds=5) == []
    assert changed(old, activeDeadlineSeconds=11) == [f"{path}: 11: must be less than or equal to previous value"]
    assert changed(old, activeDeadlineSeconds=None) == [
        f"{path}: null: must not update from a positive integer to nil value"
    ]


def test_tolerations_are_added_or_prolonged_and_never_removed() -> None:
    toleration = {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    old = stored(tolerations=[toleration])
    assert changed(old, tolerations=[{**toleration, "tolerationSeconds": 9}, {"operator": "Exists"}]) == []
    assert changed(old, tolerations=[]) == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_gates_are_only_removed_and_a_gated_pod_may_be_narrowed() -> None:
    old = stored(schedulingGates=[{"name": "a"}], nodeSelector={"x": "y"})
    assert changed(old, schedulingGates=[]) == []
    assert changed(old, nodeSelector={"x": "y", "z": "1"}) == []
    assert changed(old, schedulingGates=[{"name": "b"}]) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"
    ]
    (complaint,) = changed(old, nodeSelector={"x": "z"})
    assert "only additions to spec.nodeSelector are allowed" in complaint
    assert len(changed(stored(nodeSelector={"x": "y"}), nodeSelector={"x": "y", "z": "1"})) == 1


def test_a_status_keeps_its_class_and_finished_containers_stay_finished() -> None:
    old = stored(restartPolicy="Never")
    old["status"]["containerStatuses"] = [{"name": "main", "state": {"terminated": {"exitCode": 1}}}]
    new = copy.deepcopy(old)
    new["status"]["qosClass"] = "Guaranteed"
    new["status"]["containerStatuses"] = [{"name": "main", "state": {"running": {}}}]
    assert told(RULES.validate_status_update(new, old)) == [
        'status.qosClass: Invalid value: "Guaranteed": field is immutable',
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
    ]


def test_binding_sets_the_node_and_says_that_the_pod_is_scheduled() -> None:
    old = stored()
    bound = apply_binding(old, binding(annotations={"a": "b"}), NOW)
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["metadata"]["annotations"] == {"a": "b"}
    assert bound["status"]["conditions"] == [
        {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": "2026-01-02T12:00:00Z",
        }
    ]
    assert "nodeName" not in old["spec"]


def test_a_pod_is_bound_at_most_once() -> None:
    bound = apply_binding(stored(), binding(), NOW)
    with pytest.raises(Conflict) as caught:
        apply_binding(bound, binding("n2"), NOW)
    assert caught.value.message == (
        'Operation cannot be fulfilled on pods/binding "web-1": pod web-1 is already assigned to node "n1"'
    )


def test_a_pod_that_goes_or_waits_for_a_gate_or_is_another_is_not_bound() -> None:
    going = stored()
    going["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:30Z"
    for refused, asked in (
        (going, binding()),
        (stored(schedulingGates=[{"name": "a"}]), binding()),
        (stored(), binding(uid="other")),
    ):
        with pytest.raises(Conflict):
            apply_binding(refused, asked, NOW)


def test_a_binding_names_a_node() -> None:
    validate_binding(binding())
    with pytest.raises(Invalid, match=r"target\.name: Required value"):
        validate_binding({"target": {}})
    with pytest.raises(Invalid, match=r"target\.kind: Unsupported value"):
        validate_binding({"target": {"kind": "Pod", "name": "x"}})


@pytest.mark.parametrize(
    ("node", "phase", "requested", "own", "expected"),
    [
        ("n1", "Running", None, 30, 30),
        ("n1", "Running", 5, 30, 5),
        ("n1", "Running", 0, 30, 0),
        ("n1", "Running", -3, 30, 1),
        ("n1", "Running", None, -1, 1),
        ("", "Pending", None, 30, 0),
        ("", "Pending", 30, 30, 0),
        ("n1", "Succeeded", None, 30, 0),
        ("n1", "Failed", 9, 30, 0),
    ],
)
def test_the_grace_period_is_what_was_asked_for_and_none_where_nothing_runs(
    node: str, phase: str, requested: int | None, own: int, expected: int
) -> None:
    made = stored(nodeName=node, terminationGracePeriodSeconds=own)
    made["status"]["phase"] = phase
    assert RULES.default_grace_seconds is not None
    assert RULES.default_grace_seconds(made, requested) == expected


def test_pods_are_selected_by_node_and_phase() -> None:
    made = stored(nodeName="n1", hostNetwork=True)
    made["status"]["podIPs"] = [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
    fields = RULES.selectable_fields(made)
    assert fields.keys() == RULES.field_names
    assert (fields["spec.nodeName"], fields["status.phase"], fields["spec.hostNetwork"]) == ("n1", "Pending", "true")
    assert fields["status.podIPs"] == "10.0.0.1,fd00::1"
