from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from apiserver.api.patch import merge
from apiserver.api.status import BadRequest
from tests.unit.api.shapes import ANY_JSON, ANY_OBJECT, tries


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_cases_of_the_rfc(document: Any, patch: Any, result: Any) -> None:
    assert merge.apply(document, patch) == result


@tries(150)
@given(ANY_JSON, ANY_JSON)
def test_a_merge_patch_changes_nothing_that_came_in_and_does_the_same_twice(document: Any, patch: Any) -> None:
    before = copy.deepcopy((document, patch))
    once = merge.apply(document, patch)
    assert (document, patch) == before
    assert merge.apply(once, patch) == once


@tries(200)
@given(ANY_OBJECT)
def test_the_result_shares_nothing_with_the_patch(patch: Any) -> None:
    before = copy.deepcopy(patch)
    result = merge.apply({}, {"x": patch, "l": [patch]})
    result["l"][0]["changed"] = True
    result["x"]["changed"] = True
    assert patch == before


def test_depth_is_bounded() -> None:
    patch: Any = {}
    for _ in range(300):
        patch = {"a": patch}
    with pytest.raises(BadRequest, match="exceeded max depth"):
        merge.apply({}, patch)
