"""Lists as they were: from a server's own memory, and from the stream when it has none of that time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.integration.history.past import Past, changes, rv_of, told_by
from tests.integration.rest.client import Client, Obj, config_map, path_of, pod

Seen = dict[int, list[Obj]]
KINDS = ("configmaps", "pods")


def _act(api: Client, ns: str, rng: random.Random, number: int) -> None:
    """One random write: objects come, change, are bound (which moves a pod's subject), go, and come again."""
    kind, name = rng.choice(KINDS), f"o{rng.randrange(4)}"
    path = path_of(ns, kind, name)
    found = api.get(path)
    if found.status == 404:
        api.make(path_of(ns, kind), config_map(name) if kind == "configmaps" else pod(name))
    elif rng.random() < 0.3:
        api.delete(path, {"gracePeriodSeconds": 0})
    elif kind == "pods" and not found.json["spec"].get("nodeName") and rng.random() < 0.5:
        api.post(f"{path}/binding", {"metadata": {"name": name}, "target": {"name": "node-1"}})
    else:
        api.patch(path, {"metadata": {"labels": {"n": str(number)}}})


def _live_through(api: Client, ns: str, rng: random.Random, writes: int) -> dict[str, Seen]:
    """What each list showed after each write."""
    seen: dict[str, Seen] = {kind: {} for kind in KINDS}
    for number in range(writes):
        _act(api, ns, rng, number)
        for kind in KINDS:
            listed = api.get(path_of(ns, kind))
            seen[kind][int(listed.rv)] = listed.json["items"]
    return seen


def _check(api: Client, ns: str, seen: dict[str, Seen]) -> None:
    for kind, states in seen.items():
        for rv, items in states.items():
            exact = api.get(path_of(ns, kind), resourceVersion=rv, resourceVersionMatch="Exact")
            assert (exact.status, exact.rv, exact.json["items"]) == (200, str(rv), items)


@pytest.mark.parametrize("seed", range(3))
def test_a_list_at_any_version_shows_what_a_list_showed_then(past: Past, seed: int) -> None:
    api = told_by(past.server)
    ns = f"state-{seed}"
    api.post("/api/v1/nodes", {"metadata": {"name": "node-1"}})
    api.make("/api/v1/namespaces", {"metadata": {"name": ns}})
    seen = _live_through(api, ns, random.Random(seed), 40)
    _check(api, ns, seen)
    other = past.another_server()  # it knows of nothing before its own start
    other.start()
    fresh = told_by(other)
    _check(fresh, ns, seen)
    for client in (api, fresh):
        client.close()
    other.stop()


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, int]]:
    """A server that has a past only in the stream: five labelled ConfigMaps at the number, more and other ones now."""
    with Past(tmp_path_factory.mktemp("renewed")) as past:
        before = told_by(past.server)
        for number in range(5):
            new = config_map(f"c{number}")
            new["metadata"]["labels"] = {"odd": str(number % 2)}
            before.make(path_of("default", "configmaps"), new)
        rv = before.current_rv()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "first"}}
        before.make(path_of("default", "secrets"), secret)
        before.make(path_of("default", "configmaps"), config_map("c5"))
        before.patch(path_of("default", "configmaps", "c1"), {"metadata": {"labels": {"odd": "0"}}})
        before.delete(path_of("default", "configmaps", "c3"))
        before.patch(path_of("default", "secrets", "s"), {"stringData": {"k": "second"}})
        before.close()
        past.renew()
        after = told_by(past.server)
        yield after, rv
        after.close()


def _then(api: Client, rv: int, resource: str = "configmaps", **query: object) -> list[str]:
    path = path_of("default", resource)
    answer = api.get(path, resourceVersion=rv, resourceVersionMatch="Exact", **query)
    assert (answer.status, answer.rv) == (200, str(rv)), answer.body
    return [name for name in answer.names if name.startswith("c")]


def test_selectors_choose_by_what_the_objects_were_then(renewed: tuple[Client, int]) -> None:
    api, rv = renewed
    assert _then(api, rv) == ["c0", "c1", "c2", "c3", "c4"]
    assert _then(api, rv, labelSelector="odd=1") == ["c1", "c3"]
    assert _then(api, rv, fieldSelector="metadata.name=c3") == ["c3"]


def test_the_past_comes_in_pages_too(renewed: tuple[Client, int]) -> None:
    api, rv = renewed
    path = path_of("default", "configmaps")
    page = api.get(path, resourceVersion=rv, resourceVersionMatch="Exact", limit=4)
    names = page.names
    while token := page.json["metadata"].get("continue"):
        page = api.get(path, limit=4, **{"continue": token})
        assert page.rv == str(rv)
        names += page.names
    assert [name for name in names if name.startswith("c")] == ["c0", "c1", "c2", "c3", "c4"]


def test_the_past_has_a_table_form(renewed: tuple[Client, int]) -> None:
    api, rv = renewed
    accept = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    path = path_of("default", "configmaps")
    table = api.get(path, headers=accept, resourceVersion=rv, resourceVersionMatch="Exact").json
    assert table["kind"] == "Table"
    assert [row["cells"][0] for row in table["rows"] if str(row["cells"][0]).startswith("c")] == [
        "c0", "c1", "c2", "c3", "c4",
    ]  # fmt: skip


def test_secrets_of_the_past_are_opened(renewed: tuple[Client, int]) -> None:
    api, rv = renewed
    answer = api.get(path_of("default", "secrets"), resourceVersion=rv + 1, resourceVersionMatch="Exact")
    assert [one["data"] for one in answer.json["items"] if one["metadata"]["name"] == "s"] == [{"k": "Zmlyc3Q="}]


def test_a_version_to_come_is_too_large(renewed: tuple[Client, int]) -> None:
    api, _ = renewed
    later = api.current_rv() + 1000
    answer = api.get("/api/v1/configmaps", resourceVersion=later, resourceVersionMatch="Exact")
    assert (answer.status, answer.json["reason"]) == (504, "Timeout")


async def test_what_retention_removed_is_gone_and_said_to_be(tmp_path: Path) -> None:
    """Small objects in a stream that holds few: nothing may pass for a state that cannot be told any more."""
    stack = Past(tmp_path, stream_max_bytes=40_000)
    with stack as past:
        api = told_by(past.server)
        path = path_of("default", "configmaps")
        first = rv_of(api.make(path, config_map("old", text="x")))
        api.make(path, config_map("untouched", text="x"))

        def removed() -> bool:
            api.patch(f"{path}/old", {"data": {"text": "y" * 4000 + str(api.current_rv())}})
            return api.get("/backbeat/changes", resource="cm", **{"from": first}).status == 410

        await eventually(removed, what="the first change removed")
        past.server.stop()
        past.server = past.another_server(stream_max_bytes=40_000)
        past.server.start()
        api.close()
        api = told_by(past.server)
        kept = changes(api, resource="cm")
        oldest = kept[0]["resourceVersion"]

        gone = api.get("/backbeat/changes", **{"from": first})
        assert (gone.status, gone.json["reason"]) == (410, "Expired")
        assert f"too old resource version: {first} (the oldest that is kept: " in gone.message
        for rv in (first, oldest - 2):
            answer = api.get(path, resourceVersion=rv, resourceVersionMatch="Exact")
            assert (answer.status, answer.json["reason"]) == (410, "Expired")
            assert answer.message == "The resourceVersion for the provided list is too old."
        # From the oldest on all is told, also what has not changed for longer than that.
        exact = api.get(path, resourceVersion=oldest, resourceVersionMatch="Exact")
        assert {"old", "untouched"} <= set(exact.names)
        assert next(o for o in exact.json["items"] if o["metadata"]["name"] == "old") == kept[0]["frame"]["object"]
        api.close()
