"""What the kubelet reads off a pod."""

from __future__ import annotations

import pytest

from agents.kubelet.podspec import (
    format_time,
    full_name,
    grace_seconds,
    is_sidecar,
    never_restarts,
    parse_time,
    restarts,
)
from tests.unit.agents.kubelet.builders import NOW, deleted, exited, pod, spec


def test_messages_name_a_pod_with_its_namespace_and_uid() -> None:
    assert full_name(pod()) == "web_default(uid-1)"


@pytest.mark.parametrize(("own", "asked", "grace"), [(None, None, 30), (5, None, 5), (5, 0, 0), (5, 60, 60)])
def test_the_deletion_decides_the_grace_else_the_spec(own: int | None, asked: int | None, grace: int) -> None:
    made = pod(terminationGracePeriodSeconds=own)
    assert grace_seconds(made if asked is None else deleted(made, grace=asked)) == grace


@pytest.mark.parametrize(
    ("operator", "values", "code", "again"),
    [("In", [1, 2], 2, True), ("In", [1, 2], 3, False), ("NotIn", [1, 2], 3, True), ("NotIn", [1, 2], 1, False)],
)
def test_a_rule_for_exit_codes_comes_before_the_policy(
    operator: str, values: list[int], code: int, again: bool
) -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": operator, "values": values}}
    main = spec(restartPolicy="Never", restartPolicyRules=[rule])
    assert restarts(pod(main), main, exited(code=code)) is again


def test_an_init_container_that_succeeded_never_runs_again() -> None:
    assert not restarts(pod(), spec(), exited(code=0), init=True)
    assert restarts(pod(), spec(), exited(code=1), init=True)


def test_a_sidecar_always_runs_again() -> None:
    side = spec("side", restartPolicy="Always")
    assert is_sidecar(side)
    assert restarts(pod(restartPolicy="Never"), side, exited("side", 0), init=True)
    assert not never_restarts(pod(restartPolicy="Never"), side)


def test_times_are_whole_seconds_of_utc() -> None:
    assert format_time(NOW.replace(microsecond=999_999)) == "2026-03-01T12:00:00Z"
    assert parse_time("2026-03-01T12:00:00Z") == NOW
    assert parse_time(None) is None
