"""The least to send so that the API's status becomes the wanted one."""

from __future__ import annotations

from agents.kubelet.effective import effective
from agents.kubelet.status_patch import status_patch
from apiserver.api.patch import strategic
from apiserver.api.schema import schema_for_kind
from tests.unit.agents.kubelet.builders import Obj, pod

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"}
UNREADY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "why"}
FOREIGN = {"type": "DisruptionTarget", "status": "True"}


def applied(known: Obj, wanted: Obj) -> Obj:
    schema = schema_for_kind("", "v1", "Pod")
    patched: Obj = strategic.apply({"status": known}, {"status": status_patch(known, wanted)}, schema)["status"]
    return patched


def test_what_is_equal_needs_no_patch() -> None:
    same = {"phase": "Running", "conditions": [READY, FOREIGN], "podIPs": [{"ip": "1.2.3.4"}]}
    assert status_patch(same, same) == {}


def test_only_what_differs_is_named() -> None:
    known = {"phase": "Pending", "hostIP": "1.1.1.1"}
    assert status_patch(known, {"phase": "Running", "hostIP": "1.1.1.1"}) == {"phase": "Running"}


def test_a_condition_loses_what_it_no_longer_says() -> None:
    known = {"conditions": [UNREADY, FOREIGN]}
    assert applied(known, {"conditions": [READY]}) == {"conditions": [READY, FOREIGN]}


def test_conditions_of_others_are_never_sent() -> None:
    stale = {**FOREIGN, "status": "False"}
    assert status_patch({"conditions": [READY, FOREIGN]}, {"conditions": [READY, stale]}) == {}


def test_addresses_are_replaced_and_not_merged() -> None:
    known = {"podIP": "1.1.1.1", "podIPs": [{"ip": "1.1.1.1"}]}
    wanted = {"podIP": "2.2.2.2", "podIPs": [{"ip": "2.2.2.2"}]}
    assert applied(known, wanted) == wanted


def test_a_reason_that_does_not_hold_any_more_is_taken_back() -> None:
    assert applied({"phase": "Running", "reason": "NodeLost", "message": "x"}, {"phase": "Running"}) == {
        "phase": "Running"
    }


def test_what_the_kubelet_does_not_know_of_stays() -> None:
    known = {"phase": "Pending", "qosClass": "Guaranteed", "nominatedNodeName": "n"}
    assert applied(known, {"phase": "Running"}) == {**known, "phase": "Running"}


def test_a_null_and_an_absent_time_are_the_same() -> None:
    assert status_patch({"conditions": [READY]}, {"conditions": [{**READY, "lastProbeTime": None}]}) == {}


class TestEffective:
    """The pod that decisions are made on."""

    def test_own_status_wins_over_the_apis(self) -> None:
        made = effective(pod(status={"phase": "Pending", "qosClass": "Burstable"}), {"phase": "Running"})
        assert made["status"] == {"phase": "Running", "qosClass": "Burstable", "conditions": []}

    def test_conditions_of_others_are_the_apis(self) -> None:
        api = {"phase": "Running", "conditions": [UNREADY, FOREIGN]}
        made = effective(pod(status=api), {"phase": "Running", "conditions": [READY, {**FOREIGN, "status": "False"}]})
        assert made["status"]["conditions"] == [READY, FOREIGN]

    def test_an_end_that_others_declared_counts(self) -> None:
        made = effective(pod(status={"phase": "Failed", "reason": "Evicted"}), {"phase": "Running"})
        assert (made["status"]["phase"], made["status"]["reason"]) == ("Failed", "Evicted")

    def test_an_end_of_ones_own_is_not_undone(self) -> None:
        made = effective(pod(status={"phase": "Running"}), {"phase": "Failed", "reason": "OutOfcpu"})
        assert (made["status"]["phase"], made["status"]["reason"]) == ("Failed", "OutOfcpu")

    def test_without_a_status_of_ones_own_it_is_the_apis(self) -> None:
        assert effective(pod(), None) == pod()
