"""Creating and changing: what the server adds, keeps and counts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.integration.rest.client import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Client,
    config_map,
    deployment,
    path_of,
    pod,
)


def test_a_new_object_has_what_only_the_server_knows(api: Client, ns: str) -> None:
    new = config_map("a", a="1")
    new["metadata"] |= {
        "uid": "mine",
        "generation": 7,
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 5,
        "selfLink": "/x",
        "managedFields": [{"manager": "m"}],
        "labels": {},
    }
    made = api.make(path_of(ns, "configmaps"), new)
    metadata = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata.pop("uid"))
    assert metadata.pop("creationTimestamp").startswith("20")
    assert int(metadata.pop("resourceVersion")) == api.current_rv()
    assert metadata == {"name": "a", "namespace": ns}
    assert made["data"] == {"a": "1"}


def test_kind_and_version_may_be_left_out(api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "configmaps"), {"metadata": {"name": "a"}})
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")


def test_a_generated_name_begins_as_asked(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    names = {api.make(path, {"metadata": {"generateName": "web-"}})["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch("web-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)
    both = api.make(path, {"metadata": {"name": "web", "generateName": "x-"}})
    assert both["metadata"]["name"] == "web"


def test_a_namespace_with_a_generated_name_is_labelled_with_it(api: Client) -> None:
    metadata = api.make("/api/v1/namespaces", {"metadata": {"generateName": "some-"}})["metadata"]
    assert metadata["labels"] == {"kubernetes.io/metadata.name": metadata["name"]}


def test_the_same_owner_named_twice_is_kept_once_and_told(api: Client, ns: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    new = config_map("a")
    new["metadata"]["ownerReferences"] = [owner, owner]
    answer = api.post(path_of(ns, "configmaps"), new)
    assert answer.json["metadata"]["ownerReferences"] == [owner]
    assert answer.warnings()[0].endswith("duplicate UID(s) observed: u")


def test_a_write_that_changes_nothing_is_not_made(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps")
    made = api.make(path_of(ns, "deployments", group="apps"), deployment("a"))
    with api.unchanged():
        assert api.put(path, made).json == made
        assert api.put(path, deployment("a")).json == made
        for kind in (MERGE_PATCH, STRATEGIC_PATCH):
            assert api.patch(path, {"spec": {"replicas": 1}}, kind).json == made
        assert api.patch(path, [], JSON_PATCH).json == made
        assert api.patch(path, {"metadata": {"labels": {}, "annotations": {}}}).json == made
        assert api.patch(path + "/status", {"status": {}}).json == made


def test_generation_counts_the_changes_of_the_spec(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps")
    api.make(path_of(ns, "deployments", group="apps"), deployment("a"))
    steps: list[tuple[str, dict[str, Any], int]] = [
        ("", {"metadata": {"labels": {"a": "b"}}}, 1),
        ("", {"spec": {"replicas": 2}}, 2),
        ("/status", {"status": {"replicas": 1}}, 2),
        ("/scale", {"spec": {"replicas": 3}}, 3),
    ]
    for below, change, generation in steps:
        assert api.patch(path + below, change).status == 200
        assert api.get(path).json["metadata"]["generation"] == generation


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (MERGE_PATCH, {"data": {"a": "2", "b": None, "c": "3"}}),
        (STRATEGIC_PATCH, {"data": {"a": "2", "b": None, "c": "3"}}),
        (
            JSON_PATCH,
            [
                {"op": "test", "path": "/data/a", "value": "1"},
                {"op": "replace", "path": "/data/a", "value": "2"},
                {"op": "remove", "path": "/data/b"},
                {"op": "add", "path": "/data/c", "value": "3"},
            ],
        ),
    ],
)
def test_each_kind_of_patch(api: Client, ns: str, kind: str, patch: Any) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a", a="1", b="1"))
    answer = api.patch(path_of(ns, "configmaps", "a"), patch, kind)
    assert (answer.status, answer.json["data"]) == (200, {"a": "2", "c": "3"})


def test_a_strategic_patch_knows_lists_by_their_keys(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps")
    api.make(path_of(ns, "deployments", group="apps"), deployment("a"))
    containers = [{"name": "main", "image": "web:2"}, {"name": "side", "image": "x"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    patched = api.patch(path, patch, STRATEGIC_PATCH).json["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in patched} == {"main": "web:2", "side": "x"}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    patched = api.patch(path, patch, STRATEGIC_PATCH).json["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in patched] == ["main"]


def test_defaults_are_filled_in_when_changing_too(api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "deployments", group="apps"), deployment("a"))
    bare = deployment("a", replicas=2)
    del bare["spec"]["replicas"]
    changed = api.put(path_of(ns, "deployments", "a", group="apps"), bare).json
    assert changed["spec"] == made["spec"]


def test_a_dry_run_answers_as_the_write_would_and_writes_nothing(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    with api.unchanged():
        made = api.post(path, config_map("a", a="1"), dryRun="All")
        assert made.status == 201
        assert "resourceVersion" not in made.json["metadata"]
        assert made.json["metadata"]["uid"]
        assert api.get(path + "/a").status == 404
    stored = api.make(path, config_map("a", a="1"))
    with api.unchanged():
        assert api.post(path, config_map("a"), dryRun="All").json["reason"] == "AlreadyExists"
        put = api.put(path + "/a", config_map("a", a="2"), dryRun="All")
        patched = api.patch(path + "/a", {"data": {"a": "2"}}, dryRun="All")
        for answer in (put, patched):
            assert (answer.status, answer.json["data"]) == (200, {"a": "2"})
            assert answer.rv == stored["metadata"]["resourceVersion"]
        assert api.delete(path + "/a", dryRun="All").json["status"] == "Success"
        assert api.delete(path + "/a", {"dryRun": ["All"]}).json["status"] == "Success"
        assert api.delete(path, dryRun="All").names == ["a"]
        assert api.get(path + "/a").json == stored


def test_a_lease_is_made_by_putting_it(api: Client, ns: str) -> None:
    path = path_of(ns, "leases", "a", group="coordination.k8s.io")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a"},
        "spec": {"holderIdentity": "x"},
    }
    made = api.put(path, lease)
    assert (made.status, made.json["spec"]) == (201, {"holderIdentity": "x"})
    again = api.put(path, {**made.json, "spec": {"holderIdentity": "y"}})
    assert (again.status, again.json["metadata"]["uid"]) == (200, made.json["metadata"]["uid"])


def test_an_event_is_the_same_object_in_both_of_its_groups(api: Client, ns: str) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "a", "namespace": ns},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": ns},
        "reason": "Started",
        "message": "it runs",
        "type": "Normal",
    }
    made = api.make(path_of(ns, "events"), event)
    other = api.get(path_of(ns, "events", "a", group="events.k8s.io")).json
    assert (other["apiVersion"], other["kind"]) == ("events.k8s.io/v1", "Event")
    assert (other["note"], other["regarding"]["name"]) == ("it runs", "web")
    assert other["metadata"] == made["metadata"]
    listed = api.get(path_of(ns, "events"), fieldSelector="involvedObject.name=web,reason=Started").names
    assert listed == ["a"]


def test_an_autoscaler_is_the_same_object_in_both_of_its_versions(api: Client, ns: str) -> None:
    scaler = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 70,
        },
    }
    one = path_of(ns, "horizontalpodautoscalers", group="autoscaling")
    two = path_of(ns, "horizontalpodautoscalers", "a", group="autoscaling", version="v2")
    made = api.make(one, scaler)
    assert made["spec"]["targetCPUUtilizationPercentage"] == 70
    newer = api.get(two).json
    assert newer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    changed = api.patch(two, {"spec": {"maxReplicas": 5}})
    assert changed.status == 200
    older = api.get(one + "/a").json
    assert (older["apiVersion"], older["spec"]["maxReplicas"]) == ("autoscaling/v1", 5)
    assert older["metadata"]["resourceVersion"] == changed.rv
    with api.unchanged():
        assert api.put(one + "/a", older).rv == changed.rv


def test_a_secret_is_kept_sealed_and_read_in_the_clear(api: Client, ns: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"p": "hunter2"}}
    made = api.make(path_of(ns, "secrets"), secret)
    assert (made["type"], made["data"]) == ("Opaque", {"p": "aHVudGVyMg=="})
    path = path_of(ns, "secrets", "a")
    assert api.get(path).json == made
    assert api.get(path_of(ns, "secrets")).json["items"] == [made]
    changed = api.patch(path, {"stringData": {"q": "x"}}).json
    assert changed["data"] == {"p": "aHVudGVyMg==", "q": "eA=="}
    with api.watch(path_of(ns, "secrets"), watch=1) as watch:
        frame = watch.next()
        assert frame is not None
        assert frame["object"] == changed


def test_a_service_gets_an_address_that_no_other_has(api: Client, ns: str) -> None:
    def service(name: str) -> dict[str, Any]:
        spec = {"ports": [{"port": 80}], "selector": {"a": "b"}}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}

    path = path_of(ns, "services")
    first, second = (api.make(path, service(name))["spec"] for name in ("a", "b"))
    assert first["clusterIP"] != second["clusterIP"]
    assert first["clusterIPs"] == [first["clusterIP"]]
    taken = service("c")
    taken["spec"]["clusterIP"] = first["clusterIP"]
    assert api.post(path, taken).status == 422
    kept = api.put(path + "/a", service("a")).json["spec"]
    assert kept["clusterIP"] == first["clusterIP"]


def test_a_pod_gets_what_every_pod_has(api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "pods"), pod("a"))
    assert made["status"]["phase"] == "Pending"
    spec = made["spec"]
    assert (spec["serviceAccountName"], spec["priority"], spec["restartPolicy"]) == ("default", 0, "Always")
    assert {t["key"] for t in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }


def test_most_of_a_pods_spec_is_fixed(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a"))
    path = path_of(ns, "pods", "a")
    with api.unchanged():
        refused = api.patch(path, {"spec": {"restartPolicy": "Never"}})
    assert refused.status == 422
    assert "pod updates may not change fields other than" in refused.message
    image = {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}
    assert api.patch(path, image, STRATEGIC_PATCH).status == 200
