"""Who may subscribe to what: whoever may watch it, asked when it is made, when it changes, and for credentials."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy import identities
from deploy.identities import Identity
from tests.integration.rest.client import MERGE_PATCH, Client
from tests.integration.rest.server import NOBODY, NODE
from tests.integration.subscriptions.bus import CONFIG_MAPS, SUBSCRIPTIONS, Obj, ask, subscribe, subscription

Clients = Callable[[Identity], Client]

PODS = {"group": "", "resource": "pods"}
SECRETS = {"group": "", "resource": "secrets"}
OWN = (PODS, {"group": "", "resource": "nodes", "name": "node-1"})


def test_who_may_not_make_subscriptions_is_refused_before_anything_else(client_of: Clients) -> None:
    answer = client_of(NOBODY).post(SUBSCRIPTIONS, subscription("nobodys"))
    assert (answer.status, answer.message) == (
        403,
        (
            'subscriptions.broker.backbeat.dev is forbidden: User "nobody" cannot create resource "subscriptions" in '
            'API group "broker.backbeat.dev" at the cluster scope'
        ),
    )


@pytest.mark.parametrize(
    ("resources", "where", "told"),
    [
        (
            [PODS, SECRETS],
            "",
            (
                'secrets is forbidden: User "system:kube-scheduler" cannot watch resource "secrets" in API group "" at '
                "the cluster scope"
            ),
        ),
        (
            [SECRETS],
            "web",
            (
                'secrets is forbidden: User "system:kube-scheduler" cannot watch resource "secrets" in API group "" in '
                'the namespace "web"'
            ),
        ),
        (
            [{**SECRETS, "name": "key"}],
            "",
            (
                'secrets "key" is forbidden: User "system:kube-scheduler" cannot watch resource "secrets" in API group '
                '"" at the cluster scope'
            ),
        ),
        (
            [{"group": "apps", "resource": "*"}],
            "",
            (
                '*.apps is forbidden: User "system:kube-scheduler" cannot watch resource "*" in API group "apps" at '
                "the cluster scope"
            ),
        ),
        (
            [{"group": "*", "resource": "*"}],
            "",
            (
                '*.* is forbidden: User "system:kube-scheduler" cannot watch resource "*" in API group "*" at the '
                "cluster scope"
            ),
        ),
    ],
)
def test_who_may_not_watch_what_is_selected_is_told_what(
    api: Client, client_of: Clients, resources: list[Obj], where: str, told: str
) -> None:
    wanted = subscription("schedulers", *resources, **({"namespace": where} if where else {}))
    answer = client_of(identities.SCHEDULER).post(SUBSCRIPTIONS, wanted)
    assert (answer.status, answer.json["reason"], answer.message) == (403, "Forbidden", told)
    assert api.get(f"{SUBSCRIPTIONS}/schedulers").status == 404


def test_somebody_who_is_impersonated_is_asked_for(api: Client) -> None:
    headers = {"Impersonate-User": "system:kube-scheduler"}
    answer = api.post(SUBSCRIPTIONS, subscription("borrowed", SECRETS), headers=headers)
    assert 'User "system:kube-scheduler" cannot watch resource "secrets"' in answer.message


def test_a_selection_is_widened_only_by_who_may_watch_the_new_one(api: Client, client_of: Clients) -> None:
    scheduler = client_of(identities.SCHEDULER)
    assert scheduler.post(SUBSCRIPTIONS, subscription("widened", PODS)).status == 201
    found = scheduler.get(f"{SUBSCRIPTIONS}/widened").json
    wider = {**found, "spec": {**found["spec"], "resources": [PODS, SECRETS]}}
    answer = scheduler.put(f"{SUBSCRIPTIONS}/widened", wider)
    assert answer.status in (403, 409)
    if answer.status == 409:  # the keeper wrote meanwhile
        wider["metadata"].pop("resourceVersion")
        answer = scheduler.put(f"{SUBSCRIPTIONS}/widened", wider)
    assert 'cannot watch resource "secrets"' in answer.message
    change = {"spec": {"resources": [PODS, SECRETS]}}
    assert api.patch(f"{SUBSCRIPTIONS}/widened", change, MERGE_PATCH).status == 200


def test_credentials_are_for_those_who_may_watch_what_is_selected_now(api: Client, client_of: Clients) -> None:
    subscribe(api, "administrators", SECRETS)
    answer = ask(client_of(identities.SCHEDULER), "administrators")
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    assert 'cannot watch resource "secrets"' in answer.message
    assert ask(client_of(NOBODY), "administrators").status == 403
    assert ask(api, "administrators").status == 201


def test_a_kubelet_may_have_its_own_subscription_alone(client_of: Clients, api: Client) -> None:
    node = client_of(NODE)
    own = subscription("kubelet-node-1", *OWN, node="node-1")
    assert node.post(SUBSCRIPTIONS, own).status == 201
    for other in (
        subscription("kubelet-node-2", *OWN, node="node-2"),
        subscription("anything", *OWN, node="node-1"),
        subscription("kubelet-node-1", *OWN),
    ):
        answer = node.post(SUBSCRIPTIONS, other)
        assert (answer.status, answer.message) == (
            403,
            (
                f'subscriptions.broker.backbeat.dev "{other["metadata"]["name"]}" is forbidden: node "node-1" may have '
                'no subscription but "kubelet-node-1" to itself'
            ),
        )
    assert ask(node, "kubelet-node-1").status == 201
    subscribe(api, "kubelet-node-2", *OWN, node="node-2")
    subscribe(api, "all-pods", PODS)
    for name in ("kubelet-node-2", "all-pods"):
        refused = ask(node, name)
        assert (refused.status, refused.message) == (
            403,
            f'subscriptions.broker.backbeat.dev "{name}" is forbidden: node "node-1" may only read its own',
        )


def test_a_kubelet_cannot_give_itself_more_than_its_node(client_of: Clients) -> None:
    node = client_of(NODE)
    node.post(SUBSCRIPTIONS, subscription("kubelet-node-1", *OWN, node="node-1"))
    for resources in ([PODS, CONFIG_MAPS, {"group": "apps", "resource": "deployments"}], [PODS, {"resource": "*"}]):
        wider = subscription("kubelet-node-1", *resources, node="node-1")
        answer = node.put(f"{SUBSCRIPTIONS}/kubelet-node-1", wider)
        assert answer.status == 403, answer.body
        assert "cannot watch resource" in answer.message
