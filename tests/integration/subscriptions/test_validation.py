"""Which Subscriptions are taken, and how the others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.rest.client import MERGE_PATCH, Client
from tests.integration.subscriptions.bus import CONFIG_MAPS, SUBSCRIPTIONS, read_subscription, subscribe, subscription

PODS = {"group": "", "resource": "pods"}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"resources": []}, "spec.resources: Required value: at least one resource must be selected"),
        (
            {"resources": [{"group": "apps", "resource": "things"}]},
            'spec.resources[0]: Not found: {"group":"apps","resource":"things"}',
        ),
        (
            {"resources": [PODS, {"group": "made.up", "resource": "*"}]},
            'spec.resources[1]: Not found: {"group":"made.up","resource":"*"}',
        ),
        (
            {"resources": [{"group": "authorization.k8s.io", "resource": "selfsubjectaccessreviews"}]},
            'spec.resources[0]: Not found: {"group":"authorization.k8s.io","resource":"selfsubjectaccessreviews"}',
        ),
        (
            {"resources": [{"group": "", "resource": "nodes"}], "namespace": "default"},
            'spec.namespace: Invalid value: "default": nodes have no namespace',
        ),
        (
            {"resources": [{"group": "events.k8s.io", "resource": "events"}]},
            'spec.resources[0].group: Invalid value: "events.k8s.io": the changes of events are those of the group ""',
        ),
        ({"resources": [CONFIG_MAPS], "node": "n1"}, "spec.node: Forbidden: may be set only where pods are selected"),
        (
            {"resources": [PODS], "namespace": "A"},
            'spec.namespace: Invalid value: "A": a lowercase RFC 1123 label must consist of',
        ),
        (
            {"resources": [PODS], "start": {"from": "ResourceVersion"}},
            "spec.start.resourceVersion: Required value: when `from` is ResourceVersion",
        ),
        (
            {"resources": [PODS], "start": {"from": "Everything", "resourceVersion": "3"}},
            "spec.start.resourceVersion: Forbidden: may not be set when `from` is Everything",
        ),
        (
            {"resources": [PODS], "start": {"resourceVersion": "²"}},
            'spec.start.resourceVersion: Invalid value: "²": must be a resourceVersion',
        ),
        (
            {"resources": [PODS], "start": {"resourceVersion": "9" * 18}},
            f'spec.start.resourceVersion: Invalid value: "{"9" * 18}": is beyond the current resourceVersion',
        ),
        (
            {"resources": [PODS], "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}},
            'spec.labelSelector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
        ),
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused_in_words(api: Client, spec: dict[str, Any], told: str) -> None:
    answer = api.post(SUBSCRIPTIONS, {**subscription("wrong"), "spec": spec})
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")
    assert answer.message.startswith('Subscription.broker.backbeat.dev "wrong" is invalid: ')
    assert told in answer.message
    assert api.get(f"{SUBSCRIPTIONS}/wrong").status == 404


def test_a_field_that_there_is_not_is_refused_as_kubectl_asks(api: Client) -> None:
    answer = api.post(SUBSCRIPTIONS, subscription("wrong", bogus=1), fieldValidation="Strict")
    assert answer.status == 400
    assert 'unknown field "spec.bogus"' in answer.message


def test_where_it_begins_is_filled_in_and_noted(api: Client) -> None:
    now = api.current_rv()
    made = subscribe(api, "from-now")
    assert made["spec"]["start"] == {"from": "Now"}
    assert made["metadata"]["finalizers"] == ["broker.backbeat.dev/consumer"]
    assert int(made["status"]["startResourceVersion"]) >= now
    earlier = subscribe(api, "from-earlier", start={"resourceVersion": str(now)})
    assert earlier["spec"]["start"] == {"from": "ResourceVersion", "resourceVersion": str(now)}
    assert earlier["status"]["startResourceVersion"] == str(now)


def test_a_status_that_a_client_sends_is_not_taken(api: Client) -> None:
    sent = {**subscription("cheating"), "status": {"startResourceVersion": "1", "acknowledged": 10**9}}
    made = api.make(SUBSCRIPTIONS, sent)
    assert set(made["status"]) == {"startResourceVersion"}
    assert made["status"]["startResourceVersion"] != "1"


def test_the_start_cannot_be_changed(api: Client) -> None:
    subscribe(api, "fixed")
    answer = api.patch(f"{SUBSCRIPTIONS}/fixed", {"spec": {"start": {"from": "Everything"}}}, MERGE_PATCH)
    assert answer.status == 422
    assert "spec.start" in answer.message
    assert "field is immutable" in answer.message
    assert api.patch(f"{SUBSCRIPTIONS}/fixed", {"spec": {"namespace": "default"}}, MERGE_PATCH).status == 200
    assert read_subscription(api, "fixed")["metadata"]["generation"] == 2


def test_a_dry_run_stores_nothing(api: Client) -> None:
    answer = api.post(SUBSCRIPTIONS, subscription("dry"), dryRun="All")
    assert answer.status == 201
    assert api.get(f"{SUBSCRIPTIONS}/dry").status == 404
