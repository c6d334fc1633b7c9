from __future__ import annotations

import contextlib
import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.patch import strategic
from apiserver.api.schema import schema_for
from apiserver.api.status import BadRequest
from tests.unit.api.shapes import ANY_JSON, objects, tries

POD = schema_for("io.k8s.api.core.v1.Pod")
DEPLOYMENT = schema_for("io.k8s.api.apps.v1.Deployment")
SERVICE = schema_for("io.k8s.api.core.v1.Service")


def spec(document: dict[str, Any], patch: dict[str, Any]) -> Any:
    """The spec of a pod after a patch of its spec."""
    return strategic.apply({"spec": document}, {"spec": patch}, POD)["spec"]


def refusal(document: dict[str, Any], patch: dict[str, Any]) -> str:
    with pytest.raises(BadRequest) as caught:
        strategic.apply({"spec": document}, {"spec": patch}, POD)
    return caught.value.message


def container(name: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, **rest}


def test_maps_are_merged_and_null_removes() -> None:
    document = {"nodeName": "n1", "hostname": "h", "nodeSelector": {"a": "1", "b": "2"}}
    patch = {"hostname": None, "nodeSelector": {"b": None, "c": "3"}, "gone": None}
    assert spec(document, patch) == {"nodeName": "n1", "nodeSelector": {"a": "1", "c": "3"}}


def test_lists_are_merged_by_their_key() -> None:
    document = {"containers": [container("a", image="1"), container("b", image="2")]}
    patch = {"containers": [container("b", image="3", tty=True)]}
    assert spec(document, patch) == {"containers": [container("a", image="1"), container("b", image="3", tty=True)]}


def test_new_elements_come_before_those_that_only_the_server_has() -> None:
    document = {"containers": [container("a"), container("b")]}
    assert spec(document, {"containers": [container("c")]})["containers"] == [
        container("c"),
        container("a"),
        container("b"),
    ]


def test_lists_within_elements_are_merged_too() -> None:
    document = {"containers": [container("a", env=[container("X", value="1"), container("Y", value="2")])]}
    patch = {"containers": [container("a", env=[container("Y", value="3")])]}
    (merged,) = spec(document, patch)["containers"]
    assert merged["env"] == [container("X", value="1"), container("Y", value="3")]


def test_ports_of_services_are_merged_by_port() -> None:
    document = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443}]}}
    patch = {"spec": {"ports": [{"port": 80, "name": "web"}]}}
    assert strategic.apply(document, patch, SERVICE)["spec"]["ports"] == [{"port": 80, "name": "web"}, {"port": 443}]


def test_lists_without_a_strategy_are_replaced() -> None:
    document = {"tolerations": [{"key": "a"}, {"key": "b"}], "containers": [container("a", args=["1", "2"])]}
    patch = {"tolerations": [{"key": "c"}], "containers": [container("a", args=["3"])]}
    assert spec(document, patch) == {"tolerations": [{"key": "c"}], "containers": [container("a", args=["3"])]}


def test_lists_of_scalars_become_their_union() -> None:
    document = {"metadata": {"finalizers": ["a", "b"]}}
    patched = strategic.apply(document, {"metadata": {"finalizers": ["c", "b"]}}, POD)
    assert patched["metadata"]["finalizers"] == ["c", "a", "b"]


def test_elements_are_deleted_by_directive() -> None:
    document = {"containers": [container("a"), container("b"), container("c")]}
    assert spec(document, {"containers": [{"$patch": "delete", "name": "b"}]})["containers"] == [
        container("a"),
        container("c"),
    ]
    assert spec(document, {"containers": [{"$patch": "delete", "name": "nobody"}]}) == document


def test_a_list_is_replaced_by_directive() -> None:
    document = {"containers": [container("a"), container("b")]}
    patch = {"containers": [{"$patch": "replace"}, container("z", image="1")]}
    assert spec(document, patch) == {"containers": [container("z", image="1")]}


def test_maps_are_replaced_and_deleted_by_directive() -> None:
    document = {"nodeSelector": {"a": "1"}, "securityContext": {"runAsUser": 1}}
    assert spec(document, {"nodeSelector": {"$patch": "replace", "b": "2"}})["nodeSelector"] == {"b": "2"}
    assert spec(document, {"nodeSelector": {"$patch": "delete"}})["nodeSelector"] == {}
    assert spec(document, {"nodeSelector": {"$patch": "merge", "b": "2"}})["nodeSelector"] == {"a": "1", "b": "2"}


def test_only_the_retained_keys_of_a_union_stay() -> None:
    document = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(document, patch, DEPLOYMENT)["spec"]["strategy"] == {"type": "Recreate"}


def test_scalars_are_deleted_from_a_merged_list_by_directive() -> None:
    document = {"metadata": {"finalizers": ["a", "b", "c"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "c", {}, []], "finalizers": ["d"]}}
    assert strategic.apply(document, patch, POD)["metadata"] == {"finalizers": ["d", "b"]}


def test_the_order_of_a_merged_list_is_set_by_directive() -> None:
    document = {"containers": [container("a"), container("b"), container("x")]}
    order = [container("b"), container("c"), container("a")]
    patch = {"$setElementOrder/containers": order, "containers": [container("c", image="1")]}
    names = [c["name"] for c in spec(document, patch)["containers"]]
    assert [n for n in names if n != "x"] == ["b", "c", "a"]
    assert "x" in names


def test_what_the_schema_does_not_know_is_merged_like_any_json() -> None:
    document = {"custom": {"list": [1, 2], "map": {"a": 1}}}
    patch = {"custom": {"list": [3], "map": {"b": 2}, "gone": None}}
    assert strategic.apply(document, patch, None) == {"custom": {"list": [3], "map": {"a": 1, "b": 2}}}
    assert strategic.apply(document, patch, POD) == {"custom": {"list": [3], "map": {"a": 1, "b": 2}}}


def test_a_value_of_another_kind_replaces() -> None:
    assert spec({"nodeSelector": "x"}, {"nodeSelector": {"a": "1"}}) == {"nodeSelector": {"a": "1"}}
    assert spec({"containers": "x"}, {"containers": [container("a")]}) == {"containers": [container("a")]}
    assert spec({"containers": [container("a")]}, {"containers": "x"}) == {"containers": "x"}


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"containers": [{"image": "1"}]}, "does not contain declared merge key: name"),
        ({"containers": [{"$patch": "delete"}]}, "does not contain declared merge key: name"),
        ({"containers": [{"name": ["a"]}]}, "merge key"),
        ({"containers": [{"$patch": "explode", "name": "a"}]}, "unknown patch type: explode in map"),
        ({"containers": [{"$patch": "merge", "name": "a"}]}, "merging lists cannot yet be specified in the patch"),
        ({"containers": [1]}, "list element types are not identical"),
        ({"containers": [[]]}, "lists of lists are not supported"),
        ({"nodeSelector": {"$patch": "explode"}}, "unknown patch type: explode in map"),
        ({"nodeSelector": {"$patch": 5}}, "unknown patch type: 5 in map"),
        ({"nodeSelector": {"$retainKeys": "a"}}, "invalid patch format of retainKeys"),
        ({"nodeSelector": {"$retainKeys": ["a"], "b": "1"}}, "invalid patch format of retainKeys"),
        ({"$setElementOrder/containers": "a"}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/containers": [1], "containers": [container("a")]}, "list element types are not identical"),
    ],
)  # fmt: skip
def test_a_patch_that_breaks_the_rules_is_refused(patch: dict[str, Any], told: str) -> None:
    assert told in refusal({"containers": [container("a")], "nodeSelector": {"a": "1"}}, patch)


def test_elements_of_a_patch_stand_in_the_order_that_it_asks_for() -> None:
    a, b = container("a"), container("b")
    told = refusal({}, {"$setElementOrder/containers": [a, b], "containers": [b, a]})
    assert told == "The order in patch list doesn't match $setElementOrder list"


def test_scalars_to_delete_are_a_list() -> None:
    with pytest.raises(BadRequest, match="invalid patch format of primitive list"):
        strategic.apply(
            {"metadata": {"finalizers": ["a"]}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}, POD
        )


@tries(150)
@given(st.data())
def test_an_object_patched_with_itself_stays_as_it_is(data: st.DataObject) -> None:
    pod = data.draw(objects(POD))
    before = copy.deepcopy(pod)
    with contextlib.suppress(BadRequest):  # a generated element may lack its merge key
        assert _same(strategic.apply(pod, copy.deepcopy(pod), POD), pod)
    assert pod == before


def _same(one: Any, other: Any) -> bool:
    """Equal, but for elements that had one key twice."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) <= len(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    return bool(one == other)


@tries(200)
@given(st.data(), st.booleans())
def test_any_patch_applies_or_is_refused_and_changes_nothing_that_came_in(data: st.DataObject, shaped: bool) -> None:
    pod = data.draw(objects(POD))
    patch = data.draw(
        objects(POD) if shaped else st.dictionaries(st.sampled_from(["spec", "$patch", "metadata"]), ANY_JSON)
    )
    before = copy.deepcopy((pod, patch))
    try:
        patched = strategic.apply(pod, patch, POD)
    except BadRequest:
        patched = {}
    assert isinstance(patched, dict)
    assert (pod, patch) == before


@pytest.mark.parametrize("directive", [{}, {"$patch": "merge"}])
def test_depth_is_bounded(directive: dict[str, Any]) -> None:
    patch: dict[str, Any] = {}
    for _ in range(230):
        patch = {**directive, "a": patch}
    strategic.apply({}, patch, POD)
    for _ in range(50):
        patch = {"a": patch}
    with pytest.raises(BadRequest, match="exceeded max depth"):
        strategic.apply({}, patch, POD)


def test_large_patches_cost_no_more_than_their_size() -> None:
    many = [f"k{i}" for i in range(20_000)]
    containers = [container(name) for name in many]
    document = {"spec": {"containers": containers}, "metadata": {"finalizers": many}}
    began = time.monotonic()
    patches: list[dict[str, Any]] = [
        {"metadata": {"$deleteFromPrimitiveList/finalizers": [f"x{i}" for i in range(20_000)]}},
        {"spec": {"containers": [{"$patch": "delete", "name": f"x{i}"} for i in range(20_000)]}},
        {"spec": {"$retainKeys": [*many, "containers"], **dict.fromkeys(many, 1)}},
        {"spec": {"$setElementOrder/containers": containers[::-1], "containers": containers[::-1]}},
    ]
    for patch in patches:
        strategic.apply(document, patch, POD)
    assert time.monotonic() - began < 60
