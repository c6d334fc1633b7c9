"""/backbeat/changes: what was published, with who did it, when, and because of what."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from deploy import identities
from tests.integration.history.past import Past, changes, followed, rv_of, short, told_by
from tests.integration.rest.client import Client, Obj, config_map, path_of, pod
from tests.integration.rest.server import NOBODY, NODE
from tests.servers import wait_until

HEARD = "2026-05-01T12:00:00.000250Z"


def _history(api: Client, ns: str) -> list[Obj]:
    """Made, changed twice, gone; another one beside it."""
    path = path_of(ns, "configmaps")
    made = [api.make(path, config_map("a"))]
    made += [api.patch(f"{path}/a", {"data": {"n": str(n)}}).json for n in (1, 2)]
    api.make(path, config_map("b"))
    api.delete(f"{path}/a")
    return made


def test_every_change_is_told_once_in_order_with_its_frame(api: Client, ns: str) -> None:
    made = _history(api, ns)
    lines = changes(api, namespace=ns, resource="configmaps")
    assert [short(line) for line in lines] == [
        ("ADDED", "a"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a"),
    ]  # fmt: skip
    assert [line["frame"]["object"] for line in lines[:3]] == made
    numbers = [line["resourceVersion"] for line in lines]
    assert numbers == sorted(numbers)
    assert numbers == [rv_of(line["frame"]["object"]) for line in lines]
    assert {line["subject"].rpartition(".")[0] for line in lines} == {f"changes.core.configmaps.{ns}"}


def test_a_change_tells_who_made_it_and_when(past: Past, api: Client, ns: str) -> None:
    client = told_by(past.server, identities.CONTROLLERS)
    client.make(path_of(ns, "configmaps"), config_map("a"))
    client.close()
    (line,) = changes(api, namespace=ns, resource="cm")
    assert line["actor"] == "system:kube-controller-manager"
    moments = [datetime.fromisoformat(line[key]) for key in ("received", "time", "published")]
    assert moments == sorted(moments)
    assert abs((datetime.now(UTC) - moments[0]).total_seconds()) < 120
    assert not {"cause", "heard", "traceparent"} & line.keys()


def test_a_change_tells_what_its_author_says_that_it_is_a_reaction_to(api: Client, ns: str) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    path = path_of(ns, "configmaps")
    api.post(path, config_map("a"), headers={"Backbeat-Cause": f"7;heard={HEARD}", "traceparent": trace})
    api.post(path, config_map("b"), headers={"Backbeat-Cause": "7", "traceparent": "none"})
    api.post(path, config_map("c"), headers={"Backbeat-Cause": "7;heard=lately"})
    wait_until(lambda: len(changes(api, namespace=ns)) == 3, what="all are published")
    told = [{k: line.get(k) for k in ("cause", "heard", "traceparent")} for line in changes(api, namespace=ns)]
    assert told == [
        {"cause": 7, "heard": HEARD, "traceparent": trace},
        {"cause": 7, "heard": None, "traceparent": None},
        {"cause": None, "heard": None, "traceparent": None},
    ]


def test_a_stretch_has_both_its_ends(api: Client, ns: str) -> None:
    made = _history(api, ns)
    first, last = rv_of(made[1]), rv_of(made[2])
    lines = changes(api, namespace=ns, resource="cm", from_=first, to=last)
    assert [line["resourceVersion"] for line in lines] == [first, last]
    assert [line["resourceVersion"] for line in changes(api, from_=last, to=last)] == [last]
    assert changes(api, namespace=ns, from_=last + 1_000_000) == []


def test_since_is_a_time_or_how_long_ago(api: Client, ns: str) -> None:
    _history(api, ns)
    all_of_it = changes(api, namespace=ns, resource="cm")
    assert changes(api, namespace=ns, resource="cm", since="1h") == all_of_it
    later = changes(api, namespace=ns, resource="cm", since=all_of_it[3]["published"])
    assert [line["resourceVersion"] for line in later][-2:] == [line["resourceVersion"] for line in all_of_it[3:]]
    assert changes(api, namespace=ns, since=datetime.now(UTC).isoformat()) == []


def test_single_objects_are_selected_by_name(api: Client, ns: str) -> None:
    _history(api, ns)
    api.make(path_of(ns, "pods"), pod("a"))
    assert [short(line) for line in changes(api, namespace=ns, resource="cm/b")] == [("ADDED", "b")]
    both = changes(api, namespace=ns, resource=["configmap/b", "po/a"])
    assert [short(line) for line in both] == [("ADDED", "b"), ("ADDED", "a")]
    assert [short(line) for line in changes(api, namespace=ns, resource=f"namespace/{ns}")] == [("ADDED", ns)]
    assert changes(api, namespace="elsewhere", resource="cm/b") == []


def test_a_bound_pod_stays_one_object(api: Client, ns: str) -> None:
    """Its subject names its node, and so it changes when the pod is bound."""
    api.post("/api/v1/nodes", {"metadata": {"name": "node-1"}})
    path = path_of(ns, "pods")
    api.make(path, pod("web"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "node-1"}}
    assert api.post(f"{path}/web/binding", binding).status == 201
    lines = changes(api, namespace=ns, resource="pod/web")
    assert [line["subject"].rpartition(".")[2] for line in lines] == ["_", "node-1"]


def test_following_goes_on_with_what_comes_and_skips_nothing_at_the_seam(past: Past, api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    for number in range(20):
        api.make(path, config_map(f"a{number:02}"))
    with followed(past.server, namespace=ns, resource="cm") as lines:
        heard = [next(lines) for _ in range(5)]
        for number in range(20, 40):
            api.make(path, config_map(f"a{number:02}"))
        heard += [next(lines) for _ in range(35)]
    assert [short(line)[1] for line in heard] == [f"a{number:02}" for number in range(40)]


def test_following_ends_behind_the_last_that_was_asked_for(past: Past, api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "configmaps"), config_map("a"))
    with followed(past.server, namespace=ns, resource="cm", to=rv_of(made) + 1) as lines:
        assert short(next(lines)) == ("ADDED", "a")
        api.make(path_of(ns, "configmaps"), config_map("b"))
        api.make(path_of(ns, "configmaps"), config_map("c"))
        assert [short(line) for line in lines] == [("ADDED", "b")]


def test_reactions_are_told_with_what_caused_them_and_nothing_else_is(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    seed = api.make(path, config_map("seed"))
    because = {"Backbeat-Cause": f"{rv_of(seed)};heard={HEARD}"}
    first = api.post(path, config_map("first"), headers=because).json
    api.post("/api/v1/nodes", {"metadata": {"name": f"{ns}-node"}}, headers=because)
    api.post(path_of("default", "configmaps"), config_map(f"{ns}-far"), headers=because)
    api.post(path, config_map("second"), headers={"Backbeat-Cause": str(rv_of(first))})
    api.make(path, config_map("unrelated"))
    told = [short(line)[1] for line in changes(api, namespace=ns, resource="cm/seed", reactions="true")]
    assert told == ["seed", "first", f"{ns}-node"]
    assert [short(line)[1] for line in changes(api, namespace=ns, resource="cm/seed")] == ["seed"]


def test_anything_may_react_to_what_has_no_namespace(api: Client, ns: str) -> None:
    node = api.make("/api/v1/nodes", {"metadata": {"name": f"{ns}-node"}})
    api.post(path_of(ns, "configmaps"), config_map("a"), headers={"Backbeat-Cause": str(rv_of(node))})
    told = [short(line)[1] for line in changes(api, resource=f"node/{ns}-node", reactions="true", from_=rv_of(node))]
    assert told == [f"{ns}-node", "a"]


def test_reactions_are_told_as_far_as_the_reader_may_watch_them(past: Past, api: Client, ns: str) -> None:
    seed = api.make(path_of(ns, "pods"), pod("seed"))
    api.post(path_of(ns, "pods"), pod("reaction"), headers={"Backbeat-Cause": str(rv_of(seed))})
    kubelet = told_by(past.server, NODE)
    told = [short(line)[1] for line in changes(kubelet, namespace=ns, resource="pod/seed", reactions="true")]
    kubelet.close()
    assert told == ["seed"]


@pytest.mark.parametrize(
    ("who", "resources", "refused"),
    [
        (NOBODY, ["pods"], 'pods is forbidden: User "nobody" cannot watch resource "pods" in API group ""'),
        (NODE, ["pods", "deploy"], 'deployments.apps is forbidden: User "system:node:node-1" cannot watch resource'),
        (NODE, [], 'is forbidden: User "system:node:node-1" cannot watch resource "*" in API group "*"'),
    ],
)
def test_only_who_may_watch_all_of_it_is_told(
    past: Past, who: identities.Identity, resources: list[str], refused: str
) -> None:
    client = told_by(past.server, who)
    answer = client.get("/backbeat/changes", resource=resources, to=1)
    client.close()
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    assert refused in answer.message


def test_secrets_are_readable_to_who_may_watch_them_and_not_in_the_stream(past: Past, api: Client, ns: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "aHVzaC1odXNo"}}
    made = api.make(path_of(ns, "secrets"), secret)
    (line,) = changes(api, namespace=ns, resource="secret/s")
    assert line["frame"]["object"] == made
    stored = b"".join(file.read_bytes() for file in past.nats.server.directory.rglob("*.blk"))
    assert f"secrets.{ns}.s".encode() in stored
    assert b"aHVzaC1odXNo" not in stored


@pytest.mark.parametrize(
    ("method", "query", "code", "told"),
    [
        ("GET", "resource=poods", 400, 'the server doesn\'t have a resource type "poods"'),
        ("GET", "from=9&to=3", 400, "`to` is before `from`"),
        ("GET", "since=soon", 400, '"soon" is neither a duration'),
        ("POST", "", 405, "the server does not allow this method on the requested resource"),
    ],
)
def test_what_cannot_be_meant_is_refused_as_any_request_is(
    api: Client, method: str, query: str, code: int, told: str
) -> None:
    answer = api.request(method, f"/backbeat/changes?{query}")
    assert (answer.status, answer.json["kind"]) == (code, "Status")
    assert told in answer.message


def test_an_unknown_path_of_ours_is_not_found(api: Client) -> None:
    assert api.get("/backbeat/nothing").status == 404


def test_a_server_that_ends_lets_followers_go_at_once(past: Past, api: Client, ns: str) -> None:
    other = past.another_server()
    other.start()
    with followed(other, namespace=ns, resource="cm") as lines:
        api.make(path_of(ns, "configmaps"), config_map("a"))
        assert short(next(lines)) == ("ADDED", "a")
        started = datetime.now(UTC)
        other.stop()
        with pytest.raises((OSError, StopIteration, json.JSONDecodeError)):
            next(lines)
    assert (datetime.now(UTC) - started).total_seconds() < 2.5
