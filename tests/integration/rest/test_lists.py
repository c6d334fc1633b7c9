"""LIST: selection, pages, and which state is shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.rest.client import Answer, Client, Obj, config_map, path_of, pod


def _make(api: Client, ns: str, count: int) -> list[Obj]:
    return [api.make(path_of(ns, "configmaps"), config_map(f"c{i:02}")) for i in range(count)]


def _pages(api: Client, path: str, limit: int, **query: str) -> Iterator[Answer]:
    page = api.get(path, limit=limit, **query)
    while True:
        assert page.status == 200, page.body
        yield page
        token = page.json["metadata"].get("continue")
        if not token:
            return
        page = api.get(path, limit=limit, **{**query, "continue": token})


def test_a_list_holds_what_was_just_written(api: Client, ns: str) -> None:
    made = _make(api, ns, 3)
    listed = api.get(path_of(ns, "configmaps"))
    assert listed.json["items"] == made
    assert int(listed.rv) == api.current_rv()
    assert (listed.json["kind"], listed.json["apiVersion"]) == ("ConfigMapList", "v1")
    assert api.get(path_of(ns, "secrets")).json["items"] == []


def test_a_list_across_namespaces_is_ordered_by_namespace_and_name(api: Client, ns: str) -> None:
    other = f"{ns}x"
    api.make("/api/v1/namespaces", {"metadata": {"name": other}})
    for namespace, name in ((other, "a"), (ns, "b"), (ns, "a")):
        api.make(path_of(namespace, "configmaps"), config_map(name))
    items = api.get("/api/v1/configmaps").json["items"]
    places = [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in items]
    assert [p for p in places if p[0] in (ns, other)] == [(ns, "a"), (ns, "b"), (other, "a")]
    chosen = api.get("/api/v1/configmaps", fieldSelector=f"metadata.namespace={other}").names
    assert chosen == ["a"]


def test_pages_hold_everything_once_as_of_the_first_page(api: Client, ns: str) -> None:
    _make(api, ns, 10)
    path = path_of(ns, "configmaps")
    names: list[str] = []
    versions = set()
    left = []
    for page in _pages(api, path, 4):
        names += page.names
        versions.add(page.rv)
        left.append(page.json["metadata"].get("remainingItemCount"))
        # What changes meanwhile belongs to no page.
        api.delete(path + "/c09")
        api.post(path, config_map(f"c05-{len(names)}"))
        api.patch(path + "/c08", {"data": {"later": str(len(names))}})
    assert names == [f"c{i:02}" for i in range(10)]
    assert len(versions) == 1
    assert left == [6, 2, None]
    old = next(one for one in page.json["items"] if one["metadata"]["name"] == "c08")
    assert not old.get("data")


def test_a_limit_that_is_large_enough_makes_one_page(api: Client, ns: str) -> None:
    _make(api, ns, 2)
    for limit in (0, 2, 500, -1):
        page = api.get(path_of(ns, "configmaps"), limit=limit)
        assert (page.names, page.json["metadata"].keys()) == (["c00", "c01"], {"resourceVersion"})


def test_pages_of_a_selection_do_not_say_what_remains(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    for i in range(6):
        new = config_map(f"c{i}")
        new["metadata"]["labels"] = {"odd": str(i % 2)}
        api.make(path, new)
    pages = list(_pages(api, path, 2, labelSelector="odd=1"))
    assert [page.names for page in pages] == [["c1", "c3"], ["c5"]]
    assert "remainingItemCount" not in pages[0].json["metadata"]


def test_a_token_does_not_go_together_with_a_version(api: Client, ns: str) -> None:
    _make(api, ns, 2)
    token = api.get(path_of(ns, "configmaps"), limit=1).json["metadata"]["continue"]
    answer = api.get(path_of(ns, "configmaps"), limit=1, resourceVersion="5", **{"continue": token})
    assert (answer.status, answer.message) == (400, "specifying resource version is not allowed when using continue")
    assert api.get(path_of(ns, "configmaps"), resourceVersion="0", **{"continue": token}).names == ["c01"]


def test_the_versions_that_a_list_may_ask_for(api: Client, ns: str) -> None:
    made = _make(api, ns, 3)
    path = path_of(ns, "configmaps")
    first, last = (made[i]["metadata"]["resourceVersion"] for i in (0, 2))
    assert api.get(path, resourceVersion="0").status == 200  # whatever the server has
    for match in ({}, {"resourceVersionMatch": "NotOlderThan"}):
        not_older = api.get(path, resourceVersion=first, **match)
        assert ("c00" in not_older.names, int(not_older.rv) >= int(first)) == (True, True)
        assert api.get(path, resourceVersion=last, **match).names == ["c00", "c01", "c02"]
    exact = api.get(path, resourceVersion=first, resourceVersionMatch="Exact")
    assert (exact.names, exact.rv) == (["c00"], first)
    api.delete(path + "/c00")
    assert api.get(path, resourceVersion=last, resourceVersionMatch="Exact").names == ["c00", "c01", "c02"]
    gone = str(api.current_rv())
    assert api.get(path, resourceVersion=gone, resourceVersionMatch="NotOlderThan").names == ["c01", "c02"]
    with_limit = api.get(path, resourceVersion=last, limit=2)
    assert (with_limit.names, with_limit.rv) == (["c00", "c01"], last)


@pytest.mark.parametrize("path", ["/api/v1/namespaces", "/api/v1/namespaces/default"])
def test_a_version_that_is_not_reached_yet_is_too_large(api: Client, path: str) -> None:
    now = api.current_rv()
    answer = api.get(path, resourceVersion=str(now + 1000))
    assert answer.status == 504
    assert answer.json["reason"] == "Timeout"
    assert answer.message == f"Timeout: Too large resource version: {now + 1000}, current: {now}"
    assert answer.json["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier!=back", ["a"]),
        ("app in (web, db)", ["a", "b", "c"]),
        ("app notin (web)", ["c", "d"]),
        ("!app", ["d"]),
        ("tier", ["a", "b"]),
        ("size>5", ["b"]),
        ("", ["a", "b", "c", "d"]),
    ],
)
def test_label_selectors(api: Client, ns: str, selector: str, names: list[str]) -> None:
    labels: dict[str, dict[str, str]] = {
        "a": {"app": "web", "tier": "front", "size": "5"},
        "b": {"app": "web", "tier": "back", "size": "10"},
        "c": {"app": "db"},
        "d": {},
    }
    for name, own in labels.items():
        api.make(path_of(ns, "configmaps"), {"metadata": {"name": name, "labels": own}})
    assert api.get(path_of(ns, "configmaps"), labelSelector=selector).names == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("spec.nodeName=node-7", ["on-7"]),
        ("spec.nodeName!=node-7", ["on-8", "pending"]),
        ("spec.nodeName=", ["pending"]),
        ("status.phase=Pending,metadata.name!=on-7", ["on-8", "pending"]),
        ("metadata.name=pending", ["pending"]),
        ("metadata.name=nothing", []),
        ("spec.restartPolicy=Always,spec.schedulerName=default-scheduler", ["on-7", "on-8", "pending"]),
    ],
)
def test_field_selectors(api: Client, ns: str, selector: str, names: list[str]) -> None:
    api.make(path_of(ns, "pods"), pod("pending"))
    api.make(path_of(ns, "pods"), pod("on-7", nodeName="node-7"))
    api.make(path_of(ns, "pods"), pod("on-8", nodeName="node-8"))
    assert api.get(path_of(ns, "pods"), fieldSelector=selector).names == names


def test_tables_and_metadata_of_a_page_can_be_continued(api: Client, ns: str) -> None:
    _make(api, ns, 3)
    path = path_of(ns, "configmaps")
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    first = api.get(path, headers=table, limit=2)
    assert [row["cells"][0] for row in first.json["rows"]] == ["c00", "c01"]
    assert first.json["rows"][0]["object"]["metadata"]["name"] == "c00"
    second = api.get(path, headers=table, limit=2, **{"continue": first.json["metadata"]["continue"]})
    assert [row["cells"][0] for row in second.json["rows"]] == ["c02"]
    assert second.rv == first.rv
    metadata = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    listed = api.get(path, headers=metadata).json
    assert {item["kind"] for item in listed["items"]} == {"PartialObjectMetadata"}
