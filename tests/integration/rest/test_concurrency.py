"""Many at once: writes of one object take turns, names and allowances are given once, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio

from tests.integration.rest.client import Client, Obj, config_map, path_of, pod
from tests.integration.rest.server import TestServer


class Session:
    """Requests over many connections."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def __call__(self, method: str, path: str, body: Any = None, *, kind: str = "") -> tuple[int, Obj]:
        headers = {"Content-Type": kind or "application/json"}
        data = None if body is None else json.dumps(body)
        async with self._http.request(method, path, data=data, headers=headers) as answer:
            return answer.status, await answer.json()


@pytest_asyncio.fixture
async def send(server: TestServer) -> AsyncIterator[Session]:
    connector = aiohttp.TCPConnector(ssl=server.tls, limit=32)
    headers = {"Authorization": f"Bearer {server.token()}"}
    async with aiohttp.ClientSession(server.url, connector=connector, headers=headers) as http:
        yield Session(http)


MERGE = "application/merge-patch+json"


async def test_writers_of_one_object_take_turns(api: Client, send: Session, ns: str) -> None:
    path = path_of(ns, "configmaps", "counter")
    began = api.make(path_of(ns, "configmaps"), config_map("counter", n="0"))["metadata"]["resourceVersion"]
    conflicts = 0

    async def add(times: int) -> None:
        nonlocal conflicts
        while times:
            _, counter = await send("GET", path)
            counter["data"]["n"] = str(int(counter["data"]["n"]) + 1)
            code, _ = await send("PUT", path, counter)
            assert code in (200, 409)
            conflicts += code == 409
            times -= code == 200

    await asyncio.gather(*(add(5) for _ in range(12)))
    assert api.get(path).json["data"] == {"n": "60"}
    assert conflicts > 0
    with api.watch(path_of(ns, "configmaps"), watch=1, resourceVersion=began) as watch:
        frames = watch.take(60)
    assert [frame["object"]["data"]["n"] for frame in frames] == [str(n) for n in range(1, 61)]
    versions = [int(frame["object"]["metadata"]["resourceVersion"]) for frame in frames]
    assert versions == sorted(set(versions))


async def test_patches_that_name_no_version_are_all_applied(api: Client, send: Session, ns: str) -> None:
    path = path_of(ns, "configmaps", "a")
    api.make(path_of(ns, "configmaps"), config_map("a"))
    done = await asyncio.gather(*(send("PATCH", path, {"data": {f"k{i}": "1"}}, kind=MERGE) for i in range(15)))
    assert {code for code, _ in done} == {200}
    assert set(api.get(path).json["data"]) == {f"k{i}" for i in range(15)}


async def test_a_thousand_creates_at_once(api: Client, send: Session, ns: str) -> None:
    path = path_of(ns, "configmaps")
    began = api.current_rv()
    done = await asyncio.gather(*(send("POST", path, config_map(f"c{i:03}")) for i in range(1000)))
    assert Counter(code for code, _ in done) == {201: 1000}
    versions = {int(obj["metadata"]["resourceVersion"]) for _, obj in done}
    assert versions == set(range(began + 1, began + 1001))
    assert len({obj["metadata"]["uid"] for _, obj in done}) == 1000
    listed = api.get(path).json["items"]
    assert [one["metadata"]["name"] for one in listed] == [f"c{i:03}" for i in range(1000)]
    with api.watch(path, watch=1, resourceVersion=began) as watch:
        frames = watch.take(1000)
    seen = [int(frame["object"]["metadata"]["resourceVersion"]) for frame in frames]
    assert seen == list(range(began + 1, began + 1001))
    assert {frame["type"] for frame in frames} == {"ADDED"}


async def test_a_name_is_given_once(api: Client, send: Session, ns: str) -> None:
    done = await asyncio.gather(*(send("POST", path_of(ns, "configmaps"), config_map("a")) for _ in range(30)))
    assert Counter(code for code, _ in done) == {201: 1, 409: 29}
    assert {obj.get("reason") for code, obj in done if code == 409} == {"AlreadyExists"}


async def test_generated_names_never_collide(api: Client, send: Session, ns: str) -> None:
    new = {"metadata": {"generateName": "x-"}}
    done = await asyncio.gather(*(send("POST", path_of(ns, "configmaps"), new) for _ in range(100)))
    assert {code for code, _ in done} == {201}
    assert len({obj["metadata"]["name"] for _, obj in done}) == 100


async def test_an_object_is_deleted_once(api: Client, send: Session, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a"))
    done = await asyncio.gather(*(send("DELETE", path_of(ns, "configmaps", "a")) for _ in range(20)))
    assert Counter(code for code, _ in done) == {200: 1, 404: 19}


async def test_a_pod_is_bound_by_one_of_many_schedulers(api: Client, send: Session, ns: str) -> None:
    api.make(path_of(ns, "pods"), pod("a"))
    path = path_of(ns, "pods", "a") + "/binding"

    def to(node: int) -> Obj:
        return {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": f"node-{node}"}}

    done = await asyncio.gather(*(send("POST", path, to(i)) for i in range(20)))
    codes = [code for code, _ in done]
    assert Counter(codes) == {201: 1, 409: 19}
    assert api.get(path_of(ns, "pods", "a")).json["spec"]["nodeName"] == f"node-{codes.index(201)}"


async def test_an_allowance_of_three_lets_three_pods_go(api: Client, send: Session, ns: str) -> None:
    for i in range(8):
        new = pod(f"p{i}", nodeName="node-1")
        new["metadata"]["labels"] = {"app": "web"}
        api.make(path_of(ns, "pods"), new)
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        api.patch(path_of(ns, "pods", f"p{i}") + "/status", {"status": ready})
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 5, "selector": {"matchLabels": {"app": "web"}}}}
    api.make(path_of(ns, "poddisruptionbudgets", group="policy"), budget)
    counts = {"currentHealthy": 8, "desiredHealthy": 5, "disruptionsAllowed": 3, "expectedPods": 8}
    budget_path = path_of(ns, "poddisruptionbudgets", "b", group="policy")
    api.patch(budget_path + "/status", {"status": {"observedGeneration": 1, **counts}})

    async def evict(name: str) -> int:
        code, _ = await send("POST", path_of(ns, "pods", name) + "/eviction", {"metadata": {"name": name}})
        return code

    codes = await asyncio.gather(*(evict(f"p{i}") for i in range(8)))
    assert Counter(codes) == {201: 3, 429: 5}
    assert len(api.get(budget_path).json["status"]["disruptedPods"]) == 3


async def test_services_made_at_once_share_no_address_and_no_port(api: Client, send: Session, ns: str) -> None:
    def service(i: int, **spec: Any) -> Obj:
        ports = [{"port": 80}]
        return {"metadata": {"name": f"s{i}"}, "spec": {"type": "NodePort", "ports": ports, **spec}}

    path = path_of(ns, "services")
    done = await asyncio.gather(*(send("POST", path, service(i)) for i in range(40)))
    assert {code for code, _ in done} == {201}
    assert len({obj["spec"]["clusterIP"] for _, obj in done}) == 40
    assert len({obj["spec"]["ports"][0]["nodePort"] for _, obj in done}) == 40
    wanted = "10.96.200.200"
    rivals = await asyncio.gather(*(send("POST", path, service(100 + i, clusterIP=wanted)) for i in range(10)))
    assert Counter(code for code, _ in rivals) == {201: 1, 422: 9}
    code, _ = await send("DELETE", path)  # other tests of this server name ports
    assert code == 200


async def test_a_budget_made_a_moment_ago_guards(api: Client, send: Session, ns: str) -> None:
    for i in range(10):
        new = pod(f"p{i}", nodeName="node-1")
        new["metadata"]["labels"] = {"app": f"a{i}"}
        api.make(path_of(ns, "pods"), new)
        api.patch(path_of(ns, "pods", f"p{i}") + "/status", {"status": {"phase": "Running"}})
        budget = {"metadata": {"name": f"b{i}"}, "spec": {"selector": {"matchLabels": {"app": f"a{i}"}}}}
        await send("POST", path_of(ns, "poddisruptionbudgets", group="policy"), budget)
        code, _ = await send("POST", path_of(ns, "pods", f"p{i}") + "/eviction", {"metadata": {"name": f"p{i}"}})
        assert code == 429


async def test_nothing_is_made_in_a_namespace_whose_end_has_begun(api: Client, send: Session, ns: str) -> None:
    for i in range(10):
        name = f"{ns}-{i}"
        await send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        await send("DELETE", f"/api/v1/namespaces/{name}")
        code, refused = await send("POST", path_of(name, "configmaps"), config_map("a"))
        assert (code, refused["reason"]) == (403, "Forbidden")


async def test_a_collection_goes_while_it_grows(api: Client, send: Session, ns: str) -> None:
    path = path_of(ns, "configmaps")
    for i in range(40):
        api.make(path, config_map(f"old{i}"))
    _, *made = await asyncio.gather(
        send("DELETE", path), *(send("POST", path, config_map(f"new{i}")) for i in range(20))
    )
    assert {code for code, _ in made} == {201}
    assert not [name for name in api.get(path).names if name.startswith("old")]
