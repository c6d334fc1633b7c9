"""Whatever is missing, empty or absurd in an object of the right types, the rules answer with complaints."""

from __future__ import annotations

import binascii
import copy
from typing import Any

import pytest

from apiserver.api.kinds.base import KindRules
from apiserver.api.quantity import NotAQuantity
from tests.unit.api.kinds_core.whole import WHOLE
from tests.unit.api.kinds_workloads.mutants import mutants
from tests.unit.api.kinds_workloads.objects import NOW

EACH = pytest.mark.parametrize(("rules", "whole"), WHOLE, ids=[f"{r.group}.{r.kind}" for r, _ in WHOLE])


def refused_before(error: ValueError) -> bool:
    """The schema refuses what is no quantity, no time and no base64 before the rules see it."""
    return isinstance(error, (NotAQuantity, binascii.Error)) or any(
        word in str(error) for word in ("isoformat", "ASCII")
    )


def try_all(rules: KindRules, new: dict[str, Any], old: dict[str, Any]) -> None:
    """Every function of the rules, as a create, an update and an update of the status have them."""
    made = copy.deepcopy(new)
    rules.default(made)
    rules.prepare_create(made)
    rules.validate(made)
    rules.validate_create(made)
    rules.selectable_fields(made)
    changed = copy.deepcopy(new)
    rules.default(changed)
    rules.prepare_update(changed, old)
    rules.validate(changed)
    rules.validate_update(changed, old)
    rules.validate_update(old, changed)
    told = copy.deepcopy(new)
    rules.prepare_status_update(told, old)
    rules.validate_status_update(told, old)
    if rules.row is not None:
        assert len(rules.row(told, NOW)) == len(rules.columns)


@EACH
def test_no_missing_empty_or_absurd_part_breaks_the_rules(rules: KindRules, whole: dict[str, Any]) -> None:
    old = copy.deepcopy(whole)
    rules.default(old)
    rules.prepare_create(old)
    rest = {key: value for key, value in whole.items() if key != "metadata"}
    for mutant in mutants(rest):
        try:
            try_all(rules, {"metadata": dict(whole["metadata"]), **mutant}, old)
        except ValueError as err:
            if not refused_before(err):
                raise


@EACH
def test_an_object_that_is_only_a_name_is_judged(rules: KindRules, whole: dict[str, Any]) -> None:
    old = copy.deepcopy(whole)
    rules.default(old)
    rules.prepare_create(old)
    try_all(rules, {"metadata": {"name": "a"}}, old)


@EACH
def test_the_whole_object_is_a_good_one_and_stays_as_it_is(rules: KindRules, whole: dict[str, Any]) -> None:
    made = copy.deepcopy(whole)
    rules.default(made)
    rules.prepare_create(made)
    assert [str(e) for e in rules.validate(made) + rules.validate_create(made)] == []
    again = copy.deepcopy(made)
    rules.default(again)
    rules.prepare_update(again, made)
    assert again == made
    assert [str(e) for e in rules.validate_update(again, made)] == []


@EACH
def test_selectable_fields_are_always_the_same(rules: KindRules, whole: dict[str, Any]) -> None:
    for one in (whole, {"metadata": {"name": "a"}}):
        assert rules.selectable_fields(one).keys() >= rules.field_names
