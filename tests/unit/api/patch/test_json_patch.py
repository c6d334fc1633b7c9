from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.patch import json_patch
from apiserver.api.status import BadRequest, Invalid, RequestEntityTooLarge
from tests.unit.api.shapes import ANY_JSON, ANY_OBJECT, TEXT, tries


def op(kind: str, path: str, **rest: Any) -> dict[str, Any]:
    return {"op": kind, "path": path, **rest}


def why(document: dict[str, Any], *operations: Any) -> str:
    """Upstream's reason for refusing to apply the patch."""
    with pytest.raises(Invalid) as caught:
        json_patch.apply(document, list(operations))
    assert caught.value.code == 422
    assert caught.value.message == "the server rejected our request due to an error in our request"
    return caught.value.causes[0].message


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"foo": "bar"}, [op("add", "/baz", value="qux")], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar", "baz"]}, [op("add", "/foo/1", value="qux")], {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, [op("add", "/foo/-", value=["abc"])], {"foo": ["bar", ["abc"]]}),
        ({"foo": ["bar"]}, [op("add", "/foo/-1", value="x")], {"foo": ["bar", "x"]}),
        ({"foo": "bar"}, [op("add", "/child", value={"grand": {}})], {"foo": "bar", "child": {"grand": {}}}),
        ({"a": 1, "b": 2}, [op("remove", "/a")], {"b": 2}),
        ({"foo": ["a", "b", "c"]}, [op("remove", "/foo/1")], {"foo": ["a", "c"]}),
        ({"foo": ["a", "b", "c"]}, [op("remove", "/foo/-1")], {"foo": ["a", "b"]}),
        ({"a": "x"}, [op("replace", "/a", value={"b": None})], {"a": {"b": None}}),
        ({"a": [1, 2]}, [op("replace", "/a/0", value=9)], {"a": [9, 2]}),
        ({"a": {"x": 1}, "b": {}}, [op("move", "/b/y", **{"from": "/a/x"})], {"a": {}, "b": {"y": 1}}),
        ({"foo": [1, 2, 3]}, [op("move", "/foo/2", **{"from": "/foo/0"})], {"foo": [2, 3, 1]}),
        ({"a": {"x": [1]}}, [op("copy", "/b", **{"from": "/a"})], {"a": {"x": [1]}, "b": {"x": [1]}}),
        ({"a": [{"b": 1}]}, [op("test", "/a/0/b", value=1), op("add", "/c", value=2)], {"a": [{"b": 1}], "c": 2}),
        ({"/": 9, "~1": 10}, [op("test", "/~01", value=10), op("remove", "/~1")], {"~1": 10}),
        ({"a": 1}, [op("test", "/b", value=None)], {"a": 1}),
        ({"": 1}, [op("replace", "/", value=2)], {"": 2}),
        ({"a": 1}, [], {"a": 1}),
    ],
)
def test_operations_do_what_the_rfc_says(document: Any, operations: Any, result: Any) -> None:
    before = copy.deepcopy((document, operations))
    assert json_patch.apply(document, operations) == result
    assert (document, operations) == before


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (op("add", "/a/b/c", value=1), 'add operation does not apply: doc is missing path: "/a/b/c": missing value'),
        (op("add", "/list/5", value=1), "Unable to access invalid index: 5: invalid index referenced"),
        (op("add", "/list/x", value=1), '"x" is not an index of a list'),
        (op("add", "/b"), "it has no value"),
        (op("add", "", value={}), "doc is missing path"),
        (op("remove", "/b"), "Unable to remove nonexistent key: b: missing value"),
        (op("remove", "/list/9"), "Unable to access invalid index: 9"),
        (op("remove", "/list/-9"), "Unable to access invalid index: -9"),
        (op("remove", ""), "doc is missing path"),
        (op("replace", "/b", value=1), "replace operation does not apply: doc is missing key: /b: missing value"),
        (op("replace", "/list/7", value=1), "doc is missing key: /list/7"),
        (op("replace", "/a/b", value=1), "doc is missing path: /a/b"),
        (op("move", "/x", **{"from": "/b"}), "Unable to remove nonexistent key: b"),
        (op("move", "/list/0", **{"from": "/list"}), "is inside"),
        (op("copy", "/x", **{"from": "/b"}), "unable to get nonexistent key: b"),
        (op("copy", "/x"), "copy operation failed to decode from: missing value"),
        (op("test", "/a", value=2), "testing value /a failed: test failed"),
        (op("test", "/a", value=True), "testing value /a failed: test failed"),
        (op("test", "/b", value=1), "testing value /b failed: test failed"),
        (op("jump", "/a"), "Unexpected kind: jump"),
        ({"path": "/a"}, "Unexpected kind: unknown"),
        ({"op": ["add"], "path": "/a"}, "Unexpected kind: ['add']"),
        ({"op": "remove"}, "remove operation failed to decode path: missing value"),
        ({"op": "remove", "path": 5}, "remove operation failed to decode path: missing value"),
    ],
)
def test_what_does_not_apply_is_refused_with_its_reason(operation: Any, told: str) -> None:
    assert told in why({"a": 1, "list": [1, 2]}, operation)


def test_all_operations_apply_or_none() -> None:
    document = {"a": {"b": 1}}
    why(document, op("add", "/a/c", value=2), op("remove", "/nowhere"))
    assert document == {"a": {"b": 1}}


@pytest.mark.parametrize("operation", [1, "x", None, []])
def test_an_operation_is_an_object(operation: Any) -> None:
    with pytest.raises(BadRequest):
        json_patch.apply({}, [operation])


def test_too_many_operations_are_refused() -> None:
    with pytest.raises(RequestEntityTooLarge, match="10000, got 10001"):
        json_patch.apply({}, [op("add", "/a", value=1)] * 10_001)


def test_copies_can_not_grow_a_document_without_bound() -> None:
    doubling = [op("copy", f"/a/k{i}", **{"from": "/a"}) for i in range(40)]
    assert "the accumulated size increase of copy" in why({"a": {"x": "y" * 1000}}, *doubling)


def test_depth_is_bounded() -> None:
    nest = [op("copy", "/a" * (i + 2), **{"from": "/a"}) for i in range(300)]
    with pytest.raises((BadRequest, Invalid)):
        json_patch.apply({"a": {}}, nest)
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(BadRequest, match="exceeded max depth"):
        json_patch.apply({}, [op("add", "/a", value=deep)])


@tries(150)
@given(ANY_OBJECT, ANY_OBJECT)
def test_a_patch_between_two_documents_leads_from_one_to_the_other(one: Any, other: Any) -> None:
    operations = jsonpatch.make_patch(one, other).patch
    assert json_patch.apply(one, operations) == other


POINTERS = st.lists(TEXT | st.integers(-2, 3).map(str) | st.just("-"), max_size=3).map(
    lambda parts: "".join("/" + p.replace("~", "~0").replace("/", "~1") for p in parts)
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": POINTERS},
    optional={"from": POINTERS, "value": ANY_JSON},
)


@tries(200)
@given(ANY_OBJECT, st.lists(OPERATIONS | ANY_JSON, max_size=4))
def test_any_patch_applies_or_is_refused_and_changes_nothing_that_came_in(document: Any, operations: Any) -> None:
    before = copy.deepcopy((document, operations))
    try:
        patched = json_patch.apply(document, operations)
    except (BadRequest, Invalid):
        patched = {}
    assert isinstance(patched, dict)
    assert (document, operations) == before
