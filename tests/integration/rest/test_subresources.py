"""What hangs below an object: status, scale, binding, eviction, log; and the reviews, which are asked and not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploy.identities import Identity
from tests.integration.rest.client import (
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Client,
    Obj,
    config_map,
    deployment,
    path_of,
    pod,
    status,
)
from tests.integration.rest.server import NOBODY

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


# Status


def test_spec_and_status_are_written_apart(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps")
    new = deployment("a")
    new["status"] = {"replicas": 9}
    made = api.make(path_of(ns, "deployments", group="apps"), new)
    assert "replicas" not in made.get("status", {})
    both = {**made, "spec": {**made["spec"], "replicas": 5}, "status": {"replicas": 7, "observedGeneration": 1}}
    with_status = api.put(path + "/status", both)
    assert (with_status.json["spec"]["replicas"], with_status.json["status"]["replicas"]) == (1, 7)
    assert with_status.json["metadata"]["generation"] == 1
    assert api.get(path + "/status").json == with_status.json
    both["metadata"]["resourceVersion"] = with_status.rv
    with_spec = api.put(path, {**both, "status": {}})
    assert (with_spec.json["spec"]["replicas"], with_spec.json["status"]["replicas"]) == (5, 7)


def test_a_status_may_bring_annotations_but_no_owners(api: Client, ns: str) -> None:
    path = path_of(ns, "pods", "a")
    api.make(path_of(ns, "pods"), pod("a"))
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    patch = {
        "metadata": {"annotations": {"a": "b"}, "ownerReferences": [owner], "finalizers": ["example.com/one"]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    metadata = api.patch(path + "/status", patch, STRATEGIC_PATCH).json["metadata"]
    assert metadata["annotations"] == {"a": "b"}
    assert metadata.keys() & {"ownerReferences", "finalizers"} == set()
    merged = {"status": {"conditions": [{"type": "Initialized", "status": "True"}]}}
    conditions = api.patch(path + "/status", merged, STRATEGIC_PATCH).json["status"]["conditions"]
    assert {c["type"] for c in conditions} == {"Ready", "Initialized"}


# Scale


def test_scale_shows_and_sets_the_replicas(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps")
    made = api.make(path_of(ns, "deployments", group="apps"), deployment("a", replicas=2))
    scale = api.get(path + "/scale").json
    shared = {k: made["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shared,
        "spec": {"replicas": 2},
        "status": {"replicas": 0, "selector": "app=a"},
    }
    put = api.put(path + "/scale", {**scale, "spec": {"replicas": 4}})
    assert (put.status, put.json["spec"]) == (200, {"replicas": 4})
    for kind in (MERGE_PATCH, STRATEGIC_PATCH):
        assert api.patch(path + "/scale", {"spec": {"replicas": 5}}, kind).json["spec"] == {"replicas": 5}
    assert api.get(path).json["spec"]["replicas"] == 5
    zero = api.patch(path + "/scale", {"spec": {"replicas": 0}})
    assert (zero.json["spec"], api.get(path).json["spec"]["replicas"]) == ({}, 0)


def test_scale_refuses_what_is_old_wrong_or_elsewhere(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps") + "/scale"
    api.make(path_of(ns, "deployments", group="apps"), deployment("a"))
    scale = api.get(path).json
    api.patch(path, {"spec": {"replicas": 2}})
    with api.unchanged():
        old = api.put(path, {**scale, "spec": {"replicas": 3}})
        told = f'Operation cannot be fulfilled on deployments.apps "a": {MODIFIED}'
        assert old.json == status(409, "Conflict", told, name="a", group="apps", kind="deployments")
        negative = api.patch(path, {"spec": {"replicas": -1}})
        assert negative.status == 422
        assert negative.message == (
            'Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
        )
        nameless = api.put(path, {"spec": {"replicas": 1}})
        assert nameless.status == 400
        assert api.patch(path, {"spec": {"replicas": "two"}}).status == 422
        assert api.get(path_of(ns, "configmaps", "a") + "/scale").status == 404


# Binding


def _binding(name: str, node: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": node}}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pod_is_bound_once(api: Client, ns: str, legacy: bool) -> None:
    made = api.make(path_of(ns, "pods"), pod("a"))
    path = path_of(ns, "bindings") if legacy else path_of(ns, "pods", "a") + "/binding"
    answer = api.post(path, _binding("a", "node-3"))
    assert (answer.status, answer.json) == (
        201,
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201},
    )
    bound = api.get(path_of(ns, "pods", "a")).json
    assert bound["spec"]["nodeName"] == "node-3"
    assert [c["type"] for c in bound["status"]["conditions"]] == ["PodScheduled"]
    assert bound["metadata"]["uid"] == made["metadata"]["uid"]
    with api.unchanged():
        again = api.post(path, _binding("a", "node-4"))
        told = 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "node-3"'
        assert again.json == status(409, "Conflict", told, name="a", kind="pods/binding")


def test_a_binding_must_fit(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a"))
    path = path_of(ns, "pods", "a") + "/binding"
    with api.unchanged():
        other = api.post(path, _binding("b", "node-3"))
        assert (other.status, other.message) == (400, "name in URL does not match name in Binding object")
        nowhere = api.post(path, _binding("a", ""))
        assert (nowhere.status, nowhere.json["reason"]) == (422, "Invalid")
        missing = api.post(path_of(ns, "pods", "none") + "/binding", _binding("none", "node-3"))
        assert missing.json["reason"] == "NotFound"
        dry = api.post(path, _binding("a", "node-3"), dryRun="All")
        assert dry.status == 201


# Eviction


def _eviction(name: str, **options: Any) -> Obj:
    evict: Obj = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return {**evict, "deleteOptions": options} if options else evict


def _running(api: Client, ns: str, name: str, *, ready: bool = True) -> str:
    new = pod(name, nodeName="node-3")
    new["metadata"]["labels"] = {"app": "web"}
    api.make(path_of(ns, "pods"), new)
    path = path_of(ns, "pods", name)
    ready_now = {"type": "Ready", "status": "True" if ready else "False"}
    api.patch(path + "/status", {"status": {"phase": "Running", "conditions": [ready_now]}})
    return path


def _budget(api: Client, ns: str, name: str, **observed: int) -> str:
    budget = {
        "metadata": {"name": name},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    api.make(path_of(ns, "poddisruptionbudgets", group="policy"), budget)
    path = path_of(ns, "poddisruptionbudgets", name, group="policy")
    if observed:
        counts = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 2, **observed}
        answer = api.patch(path + "/status", {"status": {"observedGeneration": 1, **counts}})
        assert answer.status == 200, answer.body
    return path


def test_a_pod_that_no_budget_guards_is_evicted(api: Client, ns: str) -> None:
    path = _running(api, ns, "a")
    answer = api.post(path + "/eviction", _eviction("a", gracePeriodSeconds=7))
    assert (answer.status, answer.json["status"]) == (201, "Success")
    evicted = api.get(path).json
    assert evicted["metadata"]["deletionGracePeriodSeconds"] == 7
    disrupted = [c for c in evicted["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert [(c["status"], c["reason"]) for c in disrupted] == [("True", "EvictionByEvictionAPI")]


def test_a_budget_is_charged_for_each_eviction(api: Client, ns: str) -> None:
    paths = [_running(api, ns, name) for name in ("a", "b")]
    budget = _budget(api, ns, "guard", currentHealthy=2, desiredHealthy=1, disruptionsAllowed=1)
    assert api.post(paths[0] + "/eviction", _eviction("a")).status == 201
    charged = api.get(budget).json["status"]
    assert (charged["disruptionsAllowed"], list(charged["disruptedPods"])) == (0, ["a"])
    with api.unchanged():
        refused = api.post(paths[1] + "/eviction", _eviction("b"))
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget guard needs 1 healthy pods and has 2 currently",
    }
    told = "Cannot evict pod as it would violate the pod's disruption budget."
    assert refused.json == status(429, "TooManyRequests", told, causes=[cause])
    assert "retry-after" not in refused.headers


def test_a_budget_that_nobody_has_looked_at_yet_is_asked_again_later(api: Client, ns: str) -> None:
    path = _running(api, ns, "a")
    _budget(api, ns, "guard")
    with api.unchanged():
        refused = api.post(path + "/eviction", _eviction("a"))
    assert (refused.status, refused.headers["retry-after"]) == (429, "10")
    told = "The disruption budget guard is still being processed by the server."
    assert refused.json["details"] == {
        "causes": [{"reason": "DisruptionBudget", "message": told}],
        "retryAfterSeconds": 10,
    }


def test_an_unhealthy_pod_costs_a_budget_nothing_while_enough_others_are_well(api: Client, ns: str) -> None:
    path = _running(api, ns, "a", ready=False)
    budget = _budget(api, ns, "guard", currentHealthy=1, desiredHealthy=1, disruptionsAllowed=0)
    assert api.post(path + "/eviction", _eviction("a")).status == 201
    assert api.get(budget).json["status"]["disruptionsAllowed"] == 0


def test_two_budgets_on_one_pod_are_more_than_can_be_asked(api: Client, ns: str) -> None:
    path = _running(api, ns, "a")
    for name in ("one", "two"):
        _budget(api, ns, name, currentHealthy=2, desiredHealthy=1, disruptionsAllowed=1)
    answer = api.post(path + "/eviction", _eviction("a"))
    assert (answer.status, "more than one PodDisruptionBudget" in answer.message) == (500, True)


def test_an_eviction_can_be_tried_and_must_fit(api: Client, ns: str) -> None:
    path = _running(api, ns, "a")
    with api.unchanged():
        assert api.post(path + "/eviction", _eviction("a"), dryRun="All").status == 201
        assert api.post(path + "/eviction", _eviction("a", dryRun=["All"])).status == 201
        other = api.post(path + "/eviction", _eviction("b"))
        assert (other.status, other.message) == (400, "name in URL does not match name in Eviction object")
        uid = api.post(path + "/eviction", _eviction("a", preconditions={"uid": "other"}))
        assert uid.json["reason"] == "Conflict"
        assert api.post(path_of(ns, "pods", "none") + "/eviction", _eviction("none")).status == 404


# Log


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"container": "none"}, "container none is not valid for pod a"),
        ({}, "a container name must be specified for pod a, choose one of: [before main side]"),
    ],
)
def test_a_log_is_that_of_one_container(api: Client, ns: str, query: dict[str, str], told: str) -> None:
    new = pod("a", initContainers=[{"name": "before", "image": "x"}])
    new["spec"]["containers"].append({"name": "side", "image": "x"})
    api.make(path_of(ns, "pods"), new)
    answer = api.get(path_of(ns, "pods", "a") + "/log", **query)
    assert (answer.status, answer.message) == (400, told)


def test_a_pod_that_runs_nowhere_has_no_lines(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a"))
    answer = api.get(path_of(ns, "pods", "a") + "/log")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", "text/plain; charset=utf-8")


def test_wrong_options_of_a_log_are_all_told(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a"))
    answer = api.get(path_of(ns, "pods", "a") + "/log", tailLines=-1, limitBytes=0, sinceSeconds=0)
    assert answer.status == 422
    assert {c["field"]: c["message"] for c in answer.json["details"]["causes"]} == {
        "tailLines": "Invalid value: -1: must be greater than or equal to 0",
        "limitBytes": "Invalid value: 0: must be greater than 0",
        "sinceSeconds": "Invalid value: 0: must be greater than 0",
    }


def test_a_node_that_does_not_answer_is_unavailable(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a", nodeName="nowhere"))
    answer = api.get(path_of(ns, "pods", "a") + "/log")
    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
    assert answer.message.startswith('the kubelet of node "nowhere" does not answer')


# Reviews

AUTHORIZATION = "authorization.k8s.io"


def _access(**spec: Any) -> Obj:
    return {"apiVersion": f"{AUTHORIZATION}/v1", "spec": spec}


def test_everybody_may_ask_what_they_may(api: Client, client_of: Callable[[Identity | None], Client]) -> None:
    path = path_of("", "selfsubjectaccessreviews", group=AUTHORIZATION)
    asked = _access(resourceAttributes={"verb": "list", "resource": "pods", "namespace": "default"})
    with api.unchanged():
        answer = api.post(path, asked)
        assert (answer.status, answer.json["status"]) == (201, {"allowed": True})
        assert answer.json["kind"] == "SelfSubjectAccessReview"
        assert client_of(NOBODY).post(path, asked).json["status"]["allowed"] is False
        assert client_of(None).post(path, asked).status == 403
        url = _access(nonResourceAttributes={"verb": "get", "path": "/version"})
        assert client_of(NOBODY).post(path, url).json["status"]["allowed"] is True


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.resourceAttributes"),
        ({"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/"}}, "spec.nonResourceAttributes"),
    ],
)
def test_a_review_asks_about_one_thing(api: Client, spec: Obj, field: str) -> None:
    answer = api.post(path_of("", "selfsubjectaccessreviews", group=AUTHORIZATION), _access(**spec))
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, field)


def test_who_may_can_ask_about_others(api: Client, client_of: Callable[[Identity | None], Client]) -> None:
    path = path_of("", "subjectaccessreviews", group=AUTHORIZATION)
    resource = {"verb": "list", "resource": "pods", "namespace": "default"}
    scheduler = api.post(path, _access(user="system:kube-scheduler", resourceAttributes=resource))
    assert scheduler.json["status"]["allowed"] is True
    masters = api.post(path, _access(user="x", groups=["system:masters"], resourceAttributes=resource))
    assert masters.json["status"]["allowed"] is True
    nobody = api.post(path, _access(user="nobody", resourceAttributes=resource))
    assert nobody.json["status"]["allowed"] is False
    assert api.post(path, _access(resourceAttributes=resource)).status == 422
    assert client_of(NOBODY).post(path, _access(user="x", resourceAttributes=resource)).status == 403


def test_a_local_review_is_about_its_own_namespace(api: Client, ns: str) -> None:
    path = path_of(ns, "localsubjectaccessreviews", group=AUTHORIZATION)
    here = {"verb": "list", "resource": "pods", "namespace": ns}
    assert api.post(path, _access(user="nobody", resourceAttributes=here)).json["status"]["allowed"] is False
    assert api.post(path, _access(user="x", resourceAttributes={**here, "namespace": "default"})).status == 422
    assert api.post(path, _access(user="x", nonResourceAttributes={"path": "/", "verb": "get"})).status == 422


def test_rules_can_be_listed(api: Client) -> None:
    path = path_of("", "selfsubjectrulesreviews", group=AUTHORIZATION)
    answer = api.post(path, _access(namespace="default"))
    assert answer.json["status"]["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert answer.json["status"]["incomplete"] is False
    assert api.post(path, _access()).json["message"] == "no namespace on request"


def test_a_token_can_be_looked_up(api: Client, server: Any) -> None:
    path = path_of("", "tokenreviews", group="authentication.k8s.io")
    review = {"apiVersion": "authentication.k8s.io/v1", "spec": {"token": server.token(NOBODY)}}
    answer = api.post(path, review)
    assert answer.json["status"]["user"]["username"] == "nobody"
    assert server.token(NOBODY).encode() not in answer.body
    assert api.post(path, {"spec": {"token": "wrong"}}).json["status"] == {"authenticated": False}
    assert api.post(path, {"spec": {}}).message == "token is required for TokenReview in authentication"


def test_components_say_how_they_are(api: Client) -> None:
    listed = api.get("/api/v1/componentstatuses")
    assert listed.json["kind"] == "ComponentStatusList"
    assert listed.warnings() == ["v1 ComponentStatus is deprecated in v1.19+"]
    assert {"redis", "nats"} <= set(listed.names)
    assert {c["conditions"][0]["status"] for c in listed.json["items"]} == {"True"}
    one = api.get("/api/v1/componentstatuses/redis").json
    assert (one["metadata"]["name"], one["conditions"][0]["message"]) == ("redis", "ok")
    assert api.get("/api/v1/componentstatuses/etcd-0").status == 404
    assert api.post("/api/v1/componentstatuses", config_map("x")).status == 405
