"""Node health, taints, and when a pod must leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agents.controllers import node_decide as decide
from agents.controllers.node_decide import NOT_READY, UNREACHABLE, Zone
from tests.unit.agents.controllers.objects import NOW, at, node, pod

Obj = dict[str, Any]


def taint(key: str, effect: str, added: float | None = 0.0) -> Obj:
    made = {"key": key, "effect": effect}
    return made if added is None else {**made, "timeAdded": at(added)}


def wanted(n: Obj, *, evicting: str = "") -> list[tuple[str, str]]:
    return [(t["key"], t["effect"]) for t in decide.wanted_taints(n, NOW, evicting=evicting)]


def test_a_node_that_is_not_heard_of_is_unknown_in_all_that_its_kubelet_says() -> None:
    n = node("n")
    n["status"]["conditions"] += [
        {"type": "DiskPressure", "status": "False"},
        {"type": "NetworkUnavailable", "status": "False"},
    ]
    made = {c["type"]: c for c in decide.unknown_conditions(n, NOW)}
    assert {k: c["status"] for k, c in made.items()} == {
        "Ready": "Unknown", "DiskPressure": "Unknown", "NetworkUnavailable": "False",
        "MemoryPressure": "Unknown", "PIDPressure": "Unknown",
    }  # fmt: skip
    assert (made["Ready"]["reason"], made["Ready"]["message"]) == (
        "NodeStatusUnknown", "Kubelet stopped posting node status.",
    )  # fmt: skip
    assert made["Ready"]["lastHeartbeatTime"] == at(-10)
    assert made["MemoryPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert made["MemoryPressure"]["lastHeartbeatTime"] == n["metadata"]["creationTimestamp"]


def test_what_is_unknown_already_stays_as_it_is() -> None:
    n = node("n")
    n["status"]["conditions"] = decide.unknown_conditions(n, NOW)
    assert decide.unknown_conditions(n, NOW + timedelta(hours=1)) == n["status"]["conditions"]


def test_a_sign_of_life_is_a_lease_or_a_status_that_changed() -> None:
    lease = {"spec": {"renewTime": "2000-01-01T00:00:00.000001Z"}}
    assert decide.heartbeat(node("n"), lease) == ("2000-01-01T00:00:00.000001Z", at(-10))
    assert decide.heartbeat(node("n", ready=""), None) == ("", "")
    assert decide.heartbeat(None, lease)[0]


@pytest.mark.parametrize(
    ("state", "key"), [("True", ""), ("False", NOT_READY), ("Unknown", UNREACHABLE), ("", "")]
)  # fmt: skip
def test_the_condition_ready_asks_for_a_taint(state: str, key: str) -> None:
    assert decide.evicting_key(node("n", ready=state)) == key
    assert wanted(node("n", ready=state)) == ([(key, "NoSchedule")] if key else [])


def test_pressure_and_cordons_keep_new_pods_away() -> None:
    n = node("n", unschedulable=True)
    n["status"]["conditions"].append({"type": "MemoryPressure", "status": "True"})
    assert wanted(n) == [
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ]


def test_a_node_that_recovers_loses_our_taints_and_keeps_those_of_others() -> None:
    others = (taint("dedicated", "NoSchedule"), taint("mine", "NoExecute"), taint(UNREACHABLE, "PreferNoSchedule"))
    n = node("n", taints=(taint(UNREACHABLE, "NoSchedule"), *others, taint(UNREACHABLE, "NoExecute")))
    assert wanted(n) == [(t["key"], t["effect"]) for t in others]


def test_a_taint_keeps_the_time_when_it_was_added() -> None:
    old = taint(UNREACHABLE, "NoExecute", -500)
    made = decide.wanted_taints(node("n", ready="Unknown", taints=(old,)), NOW, evicting=UNREACHABLE)
    assert made == [taint(UNREACHABLE, "NoSchedule", 0), old]


def test_unreachable_becomes_not_ready_in_one_step() -> None:
    n = node("n", ready="False", taints=(taint(UNREACHABLE, "NoExecute", -500),))
    assert decide.is_evicting(n)
    assert wanted(n, evicting=decide.evicting_key(n)) == [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]


def states(*ready: str, **labels: str) -> dict[str, tuple[Zone, int]]:
    return decide.zones([node(f"n{i}", ready=one, labels=labels) for i, one in enumerate(ready)])


def test_how_a_zone_is() -> None:
    assert states("True", "Unknown") == {"": (Zone.NORMAL, 2)}
    assert states("Unknown", "False") == {"": (Zone.FULL, 2)}
    assert states("True", "True", "Unknown", "Unknown", "Unknown") == {"": (Zone.PARTIAL, 5)}
    assert states("True", "Unknown", "Unknown") == {"": (Zone.NORMAL, 3)}
    assert states("Unknown", **{"node.kubernetes.io/exclude-disruption": ""}) == {}


def test_zones_are_told_apart() -> None:
    a, b = {"topology.kubernetes.io/zone": "a"}, {"topology.kubernetes.io/zone": "b"}
    found = decide.zones([node("x", ready="Unknown", labels=a), node("y", labels=b)])
    assert sorted(state.value for state, _ in found.values()) == ["FullDisruption", "Normal"]
    assert not decide.all_disrupted(found)
    assert decide.all_disrupted(states("Unknown"))
    assert not decide.all_disrupted({})


def test_the_more_of_a_zone_is_unwell_the_slower_its_nodes_are_emptied() -> None:
    assert decide.seconds_between_taints(Zone.NORMAL, 5) == 10
    assert decide.seconds_between_taints(Zone.FULL, 5) == 10
    assert decide.seconds_between_taints(Zone.PARTIAL, 5) is None
    assert decide.seconds_between_taints(Zone.PARTIAL, 51) == 100


def tolerating(*tolerations: Obj, bound: float = -10_000) -> Obj:
    made = pod("p", created=bound)
    made["spec"]["tolerations"] = list(tolerations)
    return made


def toleration(seconds: int | None = None, key: str = UNREACHABLE) -> Obj:
    made: Obj = {"key": key, "operator": "Exists", "effect": "NoExecute"}
    return made if seconds is None else {**made, "tolerationSeconds": seconds}


def test_a_pod_that_tolerates_nothing_goes_at_once() -> None:
    assert decide.evict_in(tolerating(), [taint(UNREACHABLE, "NoExecute")], NOW) == 0.0


def test_taints_that_only_keep_pods_away_evict_nobody() -> None:
    assert decide.evict_in(tolerating(), [taint(UNREACHABLE, "NoSchedule", None)], NOW) is None
    assert decide.evict_in(tolerating(), [], NOW) is None


def test_a_toleration_may_end() -> None:
    taints = [taint(UNREACHABLE, "NoExecute", -100)]
    assert decide.evict_in(tolerating(toleration(300)), taints, NOW) == 200
    assert decide.evict_in(tolerating(toleration(50)), taints, NOW) == 0
    assert decide.evict_in(tolerating(toleration(-1)), taints, NOW) == 0
    assert decide.evict_in(tolerating(toleration()), taints, NOW) is None


def test_of_several_taints_the_first_that_ends_counts() -> None:
    taints = [taint(UNREACHABLE, "NoExecute", -100), taint("x", "NoExecute", 0)]
    assert decide.evict_in(tolerating(toleration(300), toleration(60, "x")), taints, NOW) == 60


def test_of_several_tolerations_for_one_taint_the_first_counts() -> None:
    taints = [taint(UNREACHABLE, "NoExecute", 0)]
    assert decide.evict_in(tolerating(toleration(300), toleration(10)), taints, NOW) == 300


def test_a_pod_that_came_after_the_taint_is_tolerated_from_then_on() -> None:
    late = tolerating(toleration(300), bound=-20)
    assert decide.evict_in(late, [taint(UNREACHABLE, "NoExecute", -5000)], NOW) == 280
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(-5)}
    late["status"]["conditions"].append(scheduled)
    assert decide.evict_in(late, [taint(UNREACHABLE, "NoExecute", -5000)], NOW) == 295


def test_a_pod_on_a_lost_node_is_not_ready() -> None:
    lost = decide.pod_not_ready(pod("p"), NOW)
    assert lost is not None
    assert lost["conditions"] == [{"type": "Ready", "status": "False", "lastTransitionTime": at(0)}]
    assert decide.pod_not_ready({**pod("p"), "status": lost}, NOW) is None
    assert decide.pod_not_ready({**pod("p"), "status": {}}, NOW) is None
