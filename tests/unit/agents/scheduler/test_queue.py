"""Pods that wait: whose turn it is, and when."""

from __future__ import annotations

from agents.scheduler.framework import Trigger
from agents.scheduler.queue import Place, PodQueue, Waiting
from tests.unit.agents.scheduler.build import info, pod


def taken(queue: PodQueue, now: float) -> Waiting:
    held = queue.pop(now)
    assert held is not None
    return held


def names(queue: PodQueue, now: float) -> list[str]:
    found = []
    while (held := queue.pop(now)) is not None:
        found.append(held.pod.key.name)
    return found


def test_important_pods_come_first_then_older_ones() -> None:
    queue = PodQueue()
    for i, (name, priority) in enumerate((("a", 0), ("b", 10), ("c", 0), ("d", 10))):
        queue.put(info(pod(name, priority=priority)), now=float(i))
    assert names(queue, 5.0) == ["b", "d", "a", "c"]


def test_a_pod_is_handed_out_once_at_a_time() -> None:
    queue = PodQueue()
    one = pod("a")
    queue.put(info(one), 0.0)
    queue.put(info(one), 0.0)
    held = taken(queue, 0.0)
    queue.put(info(one), 0.0)
    assert queue.pop(0.0) is None
    queue.done(held)
    assert len(queue) == 0


def test_a_refused_pod_waits_until_something_happens_that_may_help() -> None:
    queue = PodQueue()
    queue.put(info(pod("a")), 0.0)
    queue.park(taken(queue, 0.0), 0.0, Trigger.NODE_ADDED)
    queue.happened(Trigger.POD_REMOVED, 100.0)
    assert queue.pop(100.0) is None
    queue.happened(Trigger.NODE_ADDED, 100.0)
    assert names(queue, 100.0) == ["a"]


def test_what_happens_while_a_pod_is_taken_is_not_lost() -> None:
    queue = PodQueue()
    queue.put(info(pod("a")), 0.0)
    held = taken(queue, 0.0)
    queue.happened(Trigger.NODE_ADDED, 0.0)
    queue.park(held, 0.0, Trigger.NODE_ADDED)
    assert queue.pop(0.5) is None
    assert names(queue, 1.0) == ["a"]


def test_the_back_off_doubles_up_to_its_limit() -> None:
    queue = PodQueue(initial_backoff=1.0, max_backoff=10.0)
    queue.put(info(pod("a")), 0.0)
    now = 0.0
    for wait in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        queue.park(taken(queue, now), now, Trigger.NODE_ADDED)
        queue.happened(Trigger.NODE_ADDED, now)
        assert queue.due() == now + wait
        assert queue.pop(now + wait - 0.01) is None
        now += wait


def test_a_parked_pod_is_tried_again_after_a_while_even_when_nothing_happens() -> None:
    queue = PodQueue(parked_seconds=300.0)
    queue.put(info(pod("a")), 0.0)
    queue.park(taken(queue, 0.0), 0.0, Trigger.NODE_ADDED)
    assert queue.due() == 300.0
    assert queue.pop(299.0) is None
    assert names(queue, 300.0) == ["a"]


def test_pods_that_wait_for_different_things_are_due_in_their_order() -> None:
    queue = PodQueue(parked_seconds=300.0)
    for i, trigger in enumerate((Trigger.NODE_ADDED, Trigger.POD_REMOVED, Trigger.NODE_ADDED)):
        queue.put(info(pod(f"p{i}")), 0.0)
        queue.park(taken(queue, float(i)), float(i), trigger)
    assert queue.due() == 300.0
    assert names(queue, 300.5) == ["p0"]
    assert queue.due() == 301.0
    queue.happened(Trigger.POD_REMOVED, 300.5)
    assert names(queue, 300.5) == ["p1"]
    assert queue.due() == 302.0


def test_a_failed_try_is_repeated_after_its_back_off_whatever_happens() -> None:
    queue = PodQueue()
    queue.put(info(pod("a")), 0.0)
    queue.retry(taken(queue, 0.0), 0.0)
    queue.happened(Trigger.NODE_ADDED, 0.0)
    assert queue.pop(0.9) is None
    assert names(queue, 1.0) == ["a"]


def test_gated_pods_wait_until_their_gates_are_lifted() -> None:
    queue = PodQueue()
    one = pod("a")
    queue.put(info(one), 0.0, gated=True)
    queue.happened(Trigger.NODE_ADDED, 0.0)
    assert queue.pop(1000.0) is None
    assert queue.due() is None
    queue.put(info(one), 1.0)
    assert names(queue, 1.0) == ["a"]


def test_a_parked_pod_that_asks_for_something_else_is_tried_again() -> None:
    queue = PodQueue()
    one = pod("a")
    queue.put(info(one), 0.0)
    queue.park(taken(queue, 0.0), 0.0, Trigger.NODE_ADDED)
    queue.put(info({**one, "status": {"phase": "Pending", "conditions": []}}), 20.0)
    assert queue.pop(20.0) is None
    one["spec"]["tolerations"] = [{"operator": "Exists"}]
    queue.put(info(one), 20.0)
    assert names(queue, 20.0) == ["a"]


def test_a_pod_that_changes_while_it_is_taken_is_tried_again() -> None:
    queue = PodQueue()
    one = pod("a")
    queue.put(info(one), 0.0)
    held = taken(queue, 0.0)
    one["spec"]["tolerations"] = [{"operator": "Exists"}]
    queue.put(info(one), 0.0)
    queue.park(held, 0.0, Trigger.NODE_ADDED)
    assert names(queue, 1.0) == ["a"]


def test_a_removed_pod_is_forgotten_wherever_it_was() -> None:
    queue = PodQueue()
    for name in ("active", "backoff", "parked", "taken"):
        queue.put(info(pod(name)), 0.0)
    held = {h.pod.key.name: h for h in (taken(queue, 0.0) for _ in range(4))}
    queue.retry(held["backoff"], 0.0)
    queue.park(held["parked"], 0.0, Trigger.NODE_ADDED)
    queue.retry(held["active"], -10.0)
    for one in held.values():
        queue.remove(one.pod.key)
    queue.park(held["taken"], 0.0, Trigger.NODE_ADDED)
    queue.happened(Trigger.NODE_ADDED, 0.0)
    assert (len(queue), queue.pop(1000.0)) == (0, None)


def test_another_pod_of_the_same_name_starts_afresh() -> None:
    queue = PodQueue()
    queue.put(info(pod("a")), 0.0)
    held = taken(queue, 0.0)
    queue.put(info(pod("a")), 0.0)
    queue.park(held, 0.0, Trigger.NODE_ADDED)
    fresh = taken(queue, 0.0)
    assert fresh is not held
    assert (fresh.attempts, fresh.place) == (1, Place.TAKEN)


def test_a_change_of_priority_moves_a_waiting_pod() -> None:
    queue = PodQueue()
    late = pod("late")
    queue.put(info(pod("early", priority=5)), 0.0)
    queue.put(info(late), 0.0)
    late["spec"]["priority"] = 10
    queue.put(info(late), 0.0)
    assert names(queue, 0.0) == ["late", "early"]
