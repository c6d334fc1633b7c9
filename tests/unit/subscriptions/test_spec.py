"""What a Subscription object says, and which of them are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.api.kinds.subscription import RULES, check_credentials, default, listens_to, row, state_of
from apiserver.subscriptions.spec import read, selection_of
from broker.selection import SelectedResource

PODS = {"group": "", "resource": "pods"}


def subscription(spec: dict[str, Any], status: dict[str, Any] | None = None) -> dict[str, Any]:
    made = {"metadata": {"name": "my.audit", "uid": "u1"}, "spec": {"resources": [PODS], **spec}}
    default(made)
    return {**made, **({"status": status} if status else {})}


def refused(spec: dict[str, Any]) -> list[str]:
    return [str(error) for error in RULES.validate(subscription(spec))]


def test_an_object_is_read_with_what_was_noted_last() -> None:
    wanted = read(subscription({"namespace": "web"}, {"startResourceVersion": "12", "acknowledged": 30}))
    assert (wanted.consumer, wanted.uid, wanted.start, wanted.checkpoint) == ("my%2Eaudit", "u1", 12, 30)
    assert (wanted.resume_after, wanted.snapshot_first, wanted.deleted) == (30, False, False)
    assert wanted.selection.filters() == ["changes.core.pods.web.>"]


def test_a_new_object_resumes_where_it_starts() -> None:
    wanted = read(subscription({"start": {"from": "Everything"}}, {"startResourceVersion": "12"}))
    assert (wanted.resume_after, wanted.snapshot_first) == (12, True)


def test_what_is_left_out_means_the_core_group_and_every_object() -> None:
    selection = selection_of({"resources": [{"resource": "pods"}, {"group": "apps", "resource": "*"}]})
    assert selection.resources == (SelectedResource("", "pods", ""), SelectedResource("apps", "*", ""))


@pytest.mark.parametrize(
    ("start", "begins"),
    [
        ({}, "Now"),
        ({"resourceVersion": "7"}, "ResourceVersion"),
        ({"from": "Everything"}, "Everything"),
    ],
)
def test_where_it_begins_is_filled_in(start: dict[str, str], begins: str) -> None:
    assert subscription({"start": start})["spec"]["start"]["from"] == begins


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"resources": []}, "spec.resources: Required value: at least one resource must be selected"),
        ({"resources": [{"group": "apps"}]}, "spec.resources[0].resource: Required value"),
        (
            {"resources": [{"resource": "pods/log"}]},
            'spec.resources[0].resource: Invalid value: "pods/log": subresources have no changes of their own',
        ),
        (
            {"resources": [{"resource": "*", "name": "web"}]},
            'spec.resources[0].name: Forbidden: may not be set where resource is "*"',
        ),
        (
            {"resources": [{"group": "*", "resource": "pods"}]},
            'spec.resources[0].group: Invalid value: "*": may be "*" only where resource is "*"',
        ),
        (
            {"node": "n1", "resources": [{"group": "apps", "resource": "deployments"}]},
            "spec.node: Forbidden: may be set only where pods are selected",
        ),
        (
            {"node": "n1", "resources": [PODS, {"resource": "*"}]},
            'spec.node: Forbidden: may not be set where "*" selects the pods of all nodes',
        ),
        (
            {"node": "n1", "resources": [PODS, {"group": "*", "resource": "*"}]},
            'spec.node: Forbidden: may not be set where "*" selects the pods of all nodes',
        ),
        ({"start": {"from": "Later"}}, 'spec.start.from: Unsupported value: "Later"'),
        (
            {"start": {"from": "ResourceVersion"}},
            "spec.start.resourceVersion: Required value: when `from` is ResourceVersion",
        ),
        (
            {"start": {"from": "Now", "resourceVersion": "5"}},
            "spec.start.resourceVersion: Forbidden: may not be set when `from` is Now",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(spec: dict[str, Any], told: str) -> None:
    assert any(error.startswith(told) for error in refused(spec)), refused(spec)


@pytest.mark.parametrize("version", ["-1", "1.5", "x", "²", "٣", "9" * 30, "9223372036854775808"])
def test_what_is_no_resource_version_is_refused(version: str) -> None:
    start = {"from": "ResourceVersion", "resourceVersion": version}
    assert refused({"start": start}) == [
        f'spec.start.resourceVersion: Invalid value: "{version}": must be a resourceVersion'
    ]


def test_too_many_resources_are_refused() -> None:
    many = [{"resource": "configmaps", "name": f"c{i}"} for i in range(65)]
    assert refused({"resources": many}) == ["spec.resources: Invalid value: 65: at most 64 may be selected"]


def test_where_it_began_cannot_be_changed_and_what_it_selects_can() -> None:
    old = subscription({})
    assert RULES.validate_update(subscription({"namespace": "web"}), old) == []
    errors = RULES.validate_update(subscription({"start": {"from": "Everything"}}), old)
    assert [error.path for error in errors] == ["spec.start"]


@pytest.mark.parametrize(
    ("seconds", "fine"), [(None, True), (60, True), (604_800, True), (59, False), (604_801, False), (0, False)]
)
def test_credentials_are_for_a_minute_to_a_week(seconds: int | None, fine: bool) -> None:
    asked = {"spec": {"expirationSeconds": seconds} if seconds is not None else {}}
    assert (check_credentials(asked) == []) is fine


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({"resources": [PODS, {"group": "apps", "resource": "deployments"}]}, "deployments.apps,pods"),
        ({"resources": [PODS], "namespace": "web"}, "pods in web"),
        ({"resources": [PODS, {"resource": "nodes", "name": "n1"}], "node": "n1"}, "nodes/n1,pods on n1"),
        ({"resources": [{"group": "*", "resource": "*"}]}, "*"),
    ],
)
def test_what_is_listened_to_is_shown_shortly(spec: dict[str, Any], shown: str) -> None:
    assert listens_to(spec) == shown


def told(ready: str, expired: str, reason: str = "ConsumerReady") -> dict[str, Any]:
    return {
        "conditions": [
            {"type": "Ready", "status": ready, "reason": reason},
            {"type": "Expired", "status": expired, "reason": "x"},
        ]
    }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, "Pending"),
        (told("True", "False"), "Ready"),
        (told("True", "True"), "Expired"),
        (told("False", "False", "ConsumerMissing"), "ConsumerMissing"),
    ],
)
def test_the_state_is_one_word(status: dict[str, Any], state: str) -> None:
    assert state_of(subscription({}, status)) == state


def test_a_row_shows_how_far_it_is() -> None:
    status = {
        **told("True", "False"),
        "acknowledged": 12,
        "lag": 3,
        "lastSeen": "2026-05-01T11:59:30Z",
        "delivered": 14,
    }
    cells = row(subscription({}, status), datetime(2026, 5, 1, 12, tzinfo=UTC))
    assert cells[:6] == ("my.audit", "pods", 12, 3, "30s", "Ready")
    assert row(subscription({}), datetime(2026, 5, 1, tzinfo=UTC))[4] == "<never>"
