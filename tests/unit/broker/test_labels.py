"""Labels are matched as the API server matches them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.selectors import LabelSelector
from broker.labels import BadSelector, matcher

_KEYS = st.sampled_from(["app", "tier", "example.com/zone"])
_VALUES = st.sampled_from(["web", "db", ""])
_LISTED = st.builds(
    lambda key, operator, values: {"key": key, "operator": operator, "values": values},
    _KEYS,
    st.sampled_from(["In", "NotIn"]),
    st.lists(_VALUES, min_size=1, max_size=3),
)
_BARE = st.builds(
    lambda key, operator: {"key": key, "operator": operator}, _KEYS, st.sampled_from(["Exists", "DoesNotExist"])
)
_SELECTORS = st.fixed_dictionaries(
    {}, optional={"matchLabels": st.dictionaries(_KEYS, _VALUES), "matchExpressions": st.lists(_LISTED | _BARE)}
)


@given(_SELECTORS, st.dictionaries(_KEYS, _VALUES))
def test_a_selector_means_here_what_it_means_to_the_api_server(
    selector: dict[str, Any], labels: dict[str, str]
) -> None:
    matches = matcher(selector)
    assert (matches is None or matches(labels)) == LabelSelector.from_object(selector).matches(labels)


@pytest.mark.parametrize("selector", [None, {}, {"matchLabels": {}}, {"matchExpressions": []}])
def test_an_empty_selector_leaves_nothing_out(selector: dict[str, Any] | None) -> None:
    assert matcher(selector) is None


def test_an_operator_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadSelector, match="Like"):
        matcher({"matchExpressions": [{"key": "a", "operator": "Like"}]})
