"""WATCH over HTTP: where it begins, what it shows, how it ends."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.integration.rest.client import Client, Obj, config_map, path_of, pod, short

ACCEPT_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def _labelled(name: str, **labels: str) -> Obj:
    return {"metadata": {"name": name, "labels": labels}}


def test_without_a_version_it_begins_with_the_present(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    made = [api.make(path, config_map(name)) for name in ("b", "a")]
    with api.watch(path, watch=1) as watch:
        assert watch.status == 200
        assert watch.take(2) == [{"type": "ADDED", "object": one} for one in reversed(made)]
        changed = api.patch(path + "/a", {"data": {"x": "1"}}).json
        api.delete(path + "/b")
        assert watch.next() == {"type": "MODIFIED", "object": changed}
        last = watch.next()
    assert last is not None
    assert short(last) == ("DELETED", "b")
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


def test_from_a_version_it_goes_on_behind_it(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    first = api.make(path, config_map("a"))
    second = api.make(path, config_map("b"))
    version = first["metadata"]["resourceVersion"]
    with api.watch(path, watch=1, resourceVersion=version) as watch:
        assert watch.next() == {"type": "ADDED", "object": second}
    with api.watch(path, watch=1, resourceVersion=second["metadata"]["resourceVersion"], timeoutSeconds=1) as watch:
        assert watch.rest() == []


def test_from_zero_it_begins_with_any_state_and_goes_on(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    api.make(path, config_map("a"))
    with api.watch(path, watch=1, resourceVersion=0) as watch:
        assert short(watch.next()) == ("ADDED", "a")
        api.make(path, config_map("b"))
        assert short(watch.next()) == ("ADDED", "b")


@pytest.mark.parametrize("begin", [{}, {"resourceVersion": "0"}])
def test_initial_events_end_with_a_marked_bookmark(api: Client, ns: str, begin: dict[str, str]) -> None:
    path = path_of(ns, "configmaps")
    made = api.make(path, config_map("a"))
    options = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with api.watch(path, watch=1, **options, **begin) as watch:
        if begin:
            frames = []
            while (frame := watch.next()) is not None and frame["type"] != "BOOKMARK":
                frames.append(frame)
        else:
            assert watch.next() == {"type": "ADDED", "object": made}
            frame = watch.next()
        assert frame is not None
        assert frame["type"] == "BOOKMARK"
        metadata = frame["object"]["metadata"]
        assert (frame["object"]["kind"], frame["object"]["apiVersion"]) == ("ConfigMap", "v1")
        assert metadata["annotations"]["k8s.io/initial-events-end"] == "true"
        blueprint = base64.b64decode(metadata["annotations"]["kubernetes.io/initial-events-list-blueprint"])
        assert json.loads(blueprint) == {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": []}
        if not begin:
            assert int(metadata["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
        changed = api.patch(path + "/a", {"data": {"x": "1"}}).json
        while (frame := watch.next()) is not None and frame["type"] == "ADDED":
            continue
        assert frame == {"type": "MODIFIED", "object": changed}


def test_initial_events_can_be_left_out(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    api.make(path, config_map("a"))
    options = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}
    with api.watch(path, watch=1, **options) as watch:
        api.make(path, config_map("b"))
        assert short(watch.next()) == ("ADDED", "b")


def test_who_does_not_take_bookmarks_gets_none(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    api.make(path, config_map("a"))
    with api.watch(path, watch=1, timeoutSeconds=1) as watch:
        assert [short(frame) for frame in watch.rest()] == [("ADDED", "a")]


def test_its_time_ends_it_in_order_with_a_last_bookmark(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    began = time.monotonic()
    with api.watch(path, watch=1, timeoutSeconds=1, resourceVersion=api.current_rv(), allowWatchBookmarks="1") as watch:
        api.make(path_of("default", "configmaps"), {"metadata": {"generateName": "elsewhere-"}})
        frames = watch.rest()
    assert 0.9 < time.monotonic() - began < 20
    assert [frame["type"] for frame in frames] == ["BOOKMARK"]
    assert int(frames[0]["object"]["metadata"]["resourceVersion"]) == api.current_rv()


def test_a_selection_sees_objects_come_and_go(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    api.make(path, _labelled("a", app="web"))
    api.make(path, _labelled("other", app="db"))
    with api.watch(path, watch=1, labelSelector="app=web") as watch:
        assert short(watch.next()) == ("ADDED", "a")
        steps: list[tuple[str, Any, str]] = [
            ("other", {"metadata": {"labels": {"app": "web"}}}, "ADDED"),
            ("a", {"data": {"x": "1"}}, "MODIFIED"),
            ("a", {"metadata": {"labels": {"app": None}}}, "DELETED"),
            ("a", {"metadata": {"labels": {"app": "web"}}}, "ADDED"),
        ]
        for name, patch, seen in steps:
            changed = api.patch(f"{path}/{name}", patch)
            frame = watch.next()
            assert short(frame) == (seen, name)
            assert frame is not None
            assert frame["object"]["metadata"]["resourceVersion"] == changed.rv
        api.patch(path + "/other", {"metadata": {"labels": {"app": "db"}}})
        gone = watch.next()
        assert gone is not None
        assert (short(gone), gone["object"]["metadata"]["labels"]) == (("DELETED", "other"), {"app": "web"})
        api.patch(path + "/other", {"data": {"unseen": "1"}})
        api.delete(path + "/a")
        assert short(watch.next()) == ("DELETED", "a")


def test_a_kubelets_selection_follows_the_node(api: Client, ns: str) -> None:
    path = path_of(ns, "pods")
    api.make(path, pod("a"))
    with api.watch(path, watch=1, fieldSelector="spec.nodeName=node-5", resourceVersion=api.current_rv()) as watch:
        binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "node-5"}}
        assert api.post(path + "/a/binding", binding).status == 201
        assert short(watch.next()) == ("ADDED", "a")
        api.patch(path + "/a/status", {"status": {"phase": "Running"}})
        assert short(watch.next()) == ("MODIFIED", "a")
        api.delete(path + "/a", gracePeriodSeconds=0)
        assert short(watch.next()) == ("DELETED", "a")


def test_one_object_can_be_watched_by_its_name(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    api.make(path, config_map("a"))
    api.make(path, config_map("b"))
    by_selector = api.watch(path, watch=1, fieldSelector="metadata.name=b", timeoutSeconds=1)
    by_old_path = api.watch(f"/api/v1/watch/namespaces/{ns}/configmaps/b", timeoutSeconds=1)
    for watch in (by_selector, by_old_path):
        with watch:
            assert [short(frame) for frame in watch.rest()] == [("ADDED", "b")]
    refused = api.get(f"/api/v1/watch/namespaces/{ns}/configmaps/b", fieldSelector="metadata.name=a")
    assert (refused.status, refused.message) == (400, "fieldSelector metadata.name doesn't match requested name")


def test_all_namespaces_are_watched_together(api: Client, ns: str) -> None:
    with api.watch("/api/v1/configmaps", watch=1, resourceVersion=api.current_rv()) as watch:
        api.make(path_of(ns, "configmaps"), config_map("a"))
        api.make(path_of("default", "configmaps"), config_map(f"of-{ns}"))
        assert [short(f) for f in watch.take(2)] == [("ADDED", "a"), ("ADDED", f"of-{ns}")]


def test_tables_are_watched_row_by_row(api: Client, ns: str) -> None:
    path = path_of(ns, "pods")
    api.make(path, pod("a"))
    with api.watch(path, headers=ACCEPT_TABLE, watch=1, includeObject="Object") as watch:
        frame = watch.next()
        assert frame is not None
        table = frame["object"]
        assert (frame["type"], table["kind"], table["apiVersion"]) == ("ADDED", "Table", "meta.k8s.io/v1")
        assert [c["name"] for c in table["columnDefinitions"]][:3] == ["Name", "Ready", "Status"]
        assert table["rows"][0]["cells"][:3] == ["a", "0/1", "Pending"]
        assert table["rows"][0]["object"]["kind"] == "Pod"
        api.patch(path + "/a/status", {"status": {"phase": "Running"}})
        frame = watch.next()
        assert frame is not None
        assert frame["object"]["rows"][0]["cells"][2] == "Running"


def test_metadata_is_watched_with_bookmarks_of_its_own_kind(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    api.make(path, config_map("a", x="1"))
    accept = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    with api.watch(path, headers=accept, watch=1, allowWatchBookmarks="true") as watch:
        added, mark = watch.take(2)
    assert (added["object"]["kind"], "data" in added["object"]) == ("PartialObjectMetadata", False)
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "PartialObjectMetadata")
    assert mark["object"]["apiVersion"] == "meta.k8s.io/v1"


def test_another_version_is_watched_in_that_version(api: Client, ns: str) -> None:
    event = {
        "metadata": {"name": "a", "namespace": ns},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": ns},
        "reason": "Started",
        "message": "it runs",
        "type": "Normal",
    }
    with api.watch(path_of(ns, "events", group="events.k8s.io"), watch=1) as watch:
        api.make(path_of(ns, "events"), event)
        frame = watch.next()
    assert frame is not None
    assert (frame["object"]["apiVersion"], frame["object"]["note"]) == ("events.k8s.io/v1", "it runs")


def test_a_version_that_is_not_reached_yet_is_too_large(api: Client, ns: str) -> None:
    with api.watch(path_of(ns, "configmaps"), watch=1, resourceVersion=api.current_rv() + 1000) as watch:
        assert watch.status == 504
        assert json.loads(watch.body())["message"].startswith("Timeout: Too large resource version: ")


def test_yaml_cannot_be_watched(api: Client, ns: str) -> None:
    assert api.get(path_of(ns, "configmaps"), watch=1, headers={"Accept": "application/yaml"}).status == 406


def test_hundreds_of_changes_come_in_order_each_once(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    with api.watch(path, watch=1, resourceVersion=api.current_rv()) as watch:
        api.make(path, config_map("a"))
        versions = [api.patch(path + "/a", {"data": {"n": str(n)}}).rv for n in range(300)]
        frames = watch.take(301)
    assert [f["object"]["metadata"]["resourceVersion"] for f in frames[1:]] == versions
    assert [f["object"]["data"].get("n") for f in frames[1:]] == [str(n) for n in range(300)]
