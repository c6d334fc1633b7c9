"""What a user names as a Subscription, and what a message of the bus is to them."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api import discovery
from apiserver.api.resources import REGISTRY
from apiserver.api.selectors import LabelSelector
from broker.change import Change
from deploy.commands.discovery import Catalogue, _preferred
from deploy.commands.subscribe import matches, told_by
from deploy.commands.subscription import Subscription, _select_the_same, spec_of
from deploy.errors import UserError

CATALOGUE = Catalogue(
    [
        known
        for path in ("/api", "/apis")
        for group in discovery.aggregated(REGISTRY, path, version="v2")["items"]
        for known in _preferred(group)
    ]
)


def _spec(*resources: str, start: str = "now", namespace: str = "", selector: str = "") -> dict[str, Any]:
    return spec_of(CATALOGUE, resources, start=start, namespace=namespace, selector=selector)


def test_resources_are_named_as_kubectl_takes_them() -> None:
    assert _spec("pods,deploy", "node/a")["resources"] == [
        {"group": "", "resource": "pods"},
        {"group": "apps", "resource": "deployments"},
        {"group": "", "resource": "nodes", "name": "a"},
    ]
    assert _spec("*")["resources"] == [{"group": "*", "resource": "*"}]
    with pytest.raises(UserError, match="resource type"):
        _spec("poods")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("now", {"from": "Now"}),
        ("everything", {"from": "Everything"}),
        ("12", {"from": "ResourceVersion", "resourceVersion": "12"}),
    ],
)
def test_a_start_is_now_everything_or_a_number(text: str, start: dict[str, str]) -> None:
    assert _spec("pods", start=text)["start"] == start


@pytest.mark.parametrize("text", ["Now", "later", "-1", ""])
def test_another_start_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="want now, everything or a resourceVersion"):
        _spec("pods", start=text)


def test_labels_are_selected_as_kubectl_selects_them() -> None:
    spec = _spec("pods", selector="app=web,tier in (b,a),!old,x!=y,z", namespace="here")
    assert spec["namespace"] == "here"
    assert spec["labelSelector"] == {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "old", "operator": "DoesNotExist"},
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "x", "operator": "NotIn", "values": ["y"]},
            {"key": "z", "operator": "Exists"},
        ],
    }


@pytest.mark.parametrize("text", ["x>3", "==", "a=b=c", "in (x)"])
def test_a_selector_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--selector: "):
        _spec("pods", selector=text)


def test_the_same_selection_may_be_written_in_many_ways() -> None:
    def of(spec: dict[str, Any]) -> Subscription:
        return Subscription({"metadata": {"name": "a"}, "spec": spec})

    one = of(_spec("pods,deploy", selector="app=web"))
    other = of(
        {
            "resources": [{"group": "apps", "resource": "deployments"}, {"resource": "pods"}],
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]},
        }
    )
    assert _select_the_same(one, other)
    for different in (_spec("pods"), _spec("pods,deploy"), _spec("pods,deploy", selector="app=web", namespace="x")):
        assert not _select_the_same(one, of(different))


def test_a_message_is_told_as_the_change_that_it_is() -> None:
    told = told_by(
        Change(
            rv=7,
            subject="changes.core.pods.default.web.node-1",
            body=b'{"type":"ADDED","object":{"metadata":{"labels":{"app":"web"}}}}',
            headers={"Backbeat-Actor": "a%C3%A4", "Backbeat-Time": "t"},
        )
    )
    assert (told.rv, told.type, told.where, told.actor, told.time) == (7, "ADDED", "pods/default/web", "aä", "t")
    assert matches(told, LabelSelector())
    assert matches(told, LabelSelector.parse("app=web"))
    assert not matches(told, LabelSelector.parse("app!=web"))


@pytest.mark.parametrize(
    ("subject", "body"), [("changes.a.b.c.d", b"hello"), ("other", b'{"type":"ADDED","object":{}}')]
)
def test_a_foreign_message_is_told_as_one(subject: str, body: bytes) -> None:
    told = told_by(Change(rv=7, subject=subject, body=body))
    assert (told.rv, told.type, told.where) == (7, "ERROR", "?")
