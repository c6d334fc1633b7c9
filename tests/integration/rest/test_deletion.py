"""Deleting: at once, after finalizers, after a grace, and whole collections."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.integration.rest.client import Client, config_map, deployment, path_of, pod, short, status


def _held(name: str, *finalizers: str) -> dict[str, object]:
    new = config_map(name)
    new["metadata"]["finalizers"] = list(finalizers)
    return new


def test_what_nothing_holds_is_gone_at_once(api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "configmaps"), config_map("a"))
    path = path_of(ns, "configmaps", "a")
    with api.watch(path_of(ns, "configmaps"), watch=1, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        answer = api.delete(path)
        frame = watch.next()
    assert (answer.status, answer.json) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
        },
    )
    assert api.get(path).status == 404
    assert frame is not None
    last = {**made, "metadata": {**made["metadata"], "resourceVersion": str(api.current_rv())}}
    assert frame == {"type": "DELETED", "object": last}


def test_some_kinds_are_answered_with_what_was_deleted(api: Client, ns: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    made = api.make(path_of(ns, "serviceaccounts"), account)
    answer = api.delete(path_of(ns, "serviceaccounts", "a"))
    assert (answer.json["kind"], answer.json["metadata"]["uid"]) == ("ServiceAccount", made["metadata"]["uid"])


def test_a_finalizer_holds_what_is_deleted(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), _held("a", "example.com/one", "example.com/two"))
    path = path_of(ns, "configmaps", "a")
    marked = api.delete(path)
    assert marked.status == 200
    assert marked.json["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api.get(path).json == marked.json
    with api.unchanged():
        assert api.delete(path).json == marked.json
        again = api.post(path_of(ns, "configmaps"), config_map("a"))
        assert again.message == 'object is being deleted: configmaps "a" already exists'
        new = api.patch(path, {"metadata": {"finalizers": ["example.com/one", "example.com/two", "example.com/three"]}})
        told = "no new finalizers can be added if the object is being deleted"
        assert (new.status, told in new.message) == (422, True)
    one_less = api.patch(path, {"metadata": {"finalizers": ["example.com/two"]}})
    assert one_less.json["metadata"]["deletionTimestamp"] == marked.json["metadata"]["deletionTimestamp"]
    with api.watch(path_of(ns, "configmaps"), watch=1, resourceVersion=one_less.rv) as watch:
        last = api.patch(path, {"metadata": {"finalizers": None}})
        assert (last.status, last.json["metadata"]["name"]) == (200, "a")
        assert short(watch.next()) == ("DELETED", "a")
    assert api.get(path).status == 404


def test_the_mark_of_a_deletion_cannot_be_taken_away(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), _held("a", "example.com/one"))
    path = path_of(ns, "configmaps", "a")
    marked = api.delete(path).json
    with api.unchanged():
        assert api.put(path, _held("a", "example.com/one")).json == marked
        assert api.patch(path, {"metadata": {"deletionTimestamp": None}}).json == marked


@pytest.mark.parametrize(
    ("options", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"orphanDependents": True}, ["orphan"]),
    ],
)
def test_a_policy_stands_in_the_finalizers(
    api: Client, ns: str, options: dict[str, object], finalizers: list[str]
) -> None:
    path = path_of(ns, "deployments", group="apps")
    for name, body, query in (("body", options, {}), ("query", None, options)):
        api.make(path, deployment(name))
        answer = api.delete(f"{path}/{name}", body, **{k: str(v).replace("True", "true") for k, v in query.items()})
        metadata = answer.json["metadata"]
        assert (answer.status, metadata["finalizers"], metadata["generation"]) == (200, finalizers, 2)


def test_the_policy_of_a_later_delete_replaces_the_earlier(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "a", group="apps")
    api.make(path_of(ns, "deployments", group="apps"), deployment("a"))
    first = api.delete(path, propagationPolicy="Foreground").json
    second = api.delete(path, propagationPolicy="Orphan").json
    assert second["metadata"]["finalizers"] == ["orphan"]
    assert second["metadata"]["deletionTimestamp"] == first["metadata"]["deletionTimestamp"]
    assert second["metadata"]["generation"] == first["metadata"]["generation"]
    assert api.delete(path, propagationPolicy="Background").json["status"] == "Success"
    assert api.get(path).status == 404


def test_the_old_way_of_asking_for_dependents_is_accepted_with_202(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), _held("a", "example.com/one"))
    assert api.delete(path_of(ns, "configmaps", "a"), {"orphanDependents": False}).status == 202


def test_preconditions_that_hold_let_the_delete_through(api: Client, ns: str) -> None:
    metadata = api.make(path_of(ns, "configmaps"), config_map("a"))["metadata"]
    preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    answer = api.delete(path_of(ns, "configmaps", "a"), {"preconditions": preconditions})
    assert answer.json["status"] == "Success"


# Pods end gracefully


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_pod_without_a_node_is_gone_at_once(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a"))
    answer = api.delete(path_of(ns, "pods", "a"))
    assert (answer.json["kind"], answer.json["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    assert api.get(path_of(ns, "pods", "a")).status == 404


def test_a_pod_on_a_node_is_given_its_grace(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a", nodeName="node-9"))
    path = path_of(ns, "pods", "a")
    before = datetime.now().astimezone()
    marked = api.delete(path).json["metadata"]
    assert (marked["deletionGracePeriodSeconds"], marked["generation"]) == (30, 2)
    assert _time(marked["deletionTimestamp"]) - before > timedelta(seconds=28)
    with api.unchanged():
        assert api.delete(path).json["metadata"] == marked
        assert api.delete(path, gracePeriodSeconds=30).json["metadata"] == marked
        assert api.delete(path, gracePeriodSeconds=300).json["metadata"] == marked
    shorter = api.delete(path, gracePeriodSeconds=10).json["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 10
    assert _time(marked["deletionTimestamp"]) - _time(shorter["deletionTimestamp"]) == timedelta(seconds=20)
    assert shorter["generation"] == 2
    running = api.patch(path + "/status", {"status": {"phase": "Running"}})
    assert running.json["metadata"]["deletionGracePeriodSeconds"] == 10
    gone = api.delete(path, {"gracePeriodSeconds": 0}).json["metadata"]
    assert gone["deletionGracePeriodSeconds"] == 0
    assert api.get(path).status == 404


@pytest.mark.parametrize(("asked", "grace"), [(5, 5), (-1, 1), (0, None)])
def test_the_grace_can_be_asked_for(api: Client, ns: str, asked: int, grace: int | None) -> None:
    api.make(path_of(ns, "pods"), pod("a", nodeName="node-9"))
    path = path_of(ns, "pods", "a")
    answer = api.delete(path, gracePeriodSeconds=asked)
    if grace is None:
        assert api.get(path).status == 404
    else:
        assert answer.json["metadata"]["deletionGracePeriodSeconds"] == grace


def test_a_pod_that_has_ended_is_gone_at_once(api: Client, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a", nodeName="node-9"))
    path = path_of(ns, "pods", "a")
    api.patch(path + "/status", {"status": {"phase": "Succeeded"}})
    api.delete(path)
    assert api.get(path).status == 404


def test_a_finalizer_holds_a_pod_even_after_its_grace(api: Client, ns: str) -> None:
    new = pod("a", nodeName="node-9")
    new["metadata"]["finalizers"] = ["example.com/one"]
    api.make(path_of(ns, "pods"), new)
    path = path_of(ns, "pods", "a")
    assert api.delete(path, gracePeriodSeconds=0).json["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api.get(path).status == 200
    api.patch(path, {"metadata": {"finalizers": None}})
    assert api.get(path).status == 404


# Namespaces


def test_a_namespace_is_emptied_before_it_goes(api: Client, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}"
    marked = api.delete(path)
    assert (marked.status, marked.json["status"]["phase"]) == (200, "Terminating")
    assert "deletionGracePeriodSeconds" not in marked.json["metadata"]
    with api.unchanged():
        assert api.delete(path).json == marked.json
        new = api.post(path_of(ns, "configmaps"), config_map("a"))
    why = f"unable to create new content in namespace {ns} because it is being terminated"
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {ns} is being terminated",
        "field": "metadata.namespace",
    }
    told = f'configmaps "a" is forbidden: {why}'
    assert new.json == status(403, "Forbidden", told, name="a", kind="configmaps", causes=[cause])
    emptied = {**marked.json, "spec": {"finalizers": []}}
    final = api.put(path + "/finalize", emptied)
    assert final.status == 200
    assert api.get(path).status == 404


def test_finalizers_of_a_namespace_change_through_finalize_alone(api: Client, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}"
    namespace = api.get(path).json
    with api.unchanged():
        assert api.patch(path, {"spec": {"finalizers": []}}).json == namespace
        assert api.patch(path + "/status", {"spec": {"finalizers": []}}).json == namespace
    changed = api.put(path + "/finalize", {**namespace, "spec": {"finalizers": []}, "status": {"phase": "Terminating"}})
    assert changed.json["status"] == {"phase": "Active"}
    assert not changed.json["spec"].get("finalizers")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_systems_namespaces_stay(api: Client, name: str) -> None:
    with api.unchanged():
        answer = api.delete(f"/api/v1/namespaces/{name}")
    told = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    assert answer.json == status(403, "Forbidden", told, name=name, kind="namespaces")


# Collections


def test_a_collection_is_deleted_by_its_selectors(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    for i in range(6):
        new = config_map(f"c{i}")
        new["metadata"]["labels"] = {"odd": str(i % 2)}
        api.make(path, new)
    answer = api.delete(path, labelSelector="odd=1")
    assert (answer.status, answer.json["kind"], answer.names) == (200, "ConfigMapList", ["c1", "c3", "c5"])
    assert api.get(path).names == ["c0", "c2", "c4"]
    assert api.delete(path, fieldSelector="metadata.name=c0").names == ["c0"]
    assert api.delete(path).names == ["c2", "c4"]
    assert api.delete(path).names == []


def test_a_large_collection_goes_as_a_whole_and_held_objects_stay_marked(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    for i in range(60):
        api.make(path, _held(f"c{i}", "example.com/one") if i == 30 else config_map(f"c{i}"))
    assert len(api.delete(path).names) == 60
    left = api.get(path).json["items"]
    assert [one["metadata"]["name"] for one in left] == ["c30"]
    assert left[0]["metadata"]["deletionTimestamp"]
