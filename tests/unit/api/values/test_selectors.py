from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.selectors import FieldSelector, LabelSelector, Requirement, SelectorError, integer
from tests.unit.api.shapes import tries

LABELS = {"app": "web", "tier": "front", "n": "5", "empty": ""}


@pytest.mark.parametrize(
    ("text", "selects"),
    [
        ("", True), ("app=web", True), ("app==web", True), ("app=api", False), ("gone=web", False), ("app!=web", False),
        ("app!=api", True), ("gone!=x", True), ("app", True), ("gone", False), ("!gone", True), ("! app", False),
        ("app in (web, api)", True), ("app in (api)", False), ("gone in (a)", False), ("app notin (web)", False),
        ("gone notin (a)", True), ("n>4", True), ("n>5", False), ("n<6", True), ("app>1", False), ("gone>1", False),
        ("app=web,tier=front", True), ("app=web,tier=back", False), (" app = web , ! gone ", True), ("empty=", True),
        ("empty", True), ("empty in ()", True), ("app in (,web)", True), ("empty in (,x)", True), ("in=x", False),
        ("app in (web),n notin (1,2)", True),
    ],
)  # fmt: skip
def test_a_label_selector_selects(text: str, selects: bool) -> None:
    assert LabelSelector.parse(text).matches(LABELS) is selects


def test_no_labels_are_no_labels() -> None:
    assert LabelSelector.parse("!a").matches(None)
    assert not LabelSelector.parse("a").matches({})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("a==!b", "unable to parse requirement: found '!', expected: identifier"),
        (
            "a>b",
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must",
        ),
        ("-a=b", 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of'),
        (
            "a=b_",
            'unable to parse requirement: values[0][a]: Invalid value: "b_": a valid label must be an empty string',
        ),
        ("a/b/c=d", "unable to parse requirement: <nil>: Invalid value"),
        ("a=" + "b" * 64, "must be no more than 63 bytes"),
    ],
)
def test_what_is_no_label_selector_is_told_in_upstream_s_words(text: str, told: str) -> None:
    with pytest.raises(SelectorError) as caught:
        LabelSelector.parse(text)
    assert told in str(caught.value)


KEYS = st.sampled_from(["app", "tier", "x.y/z", "in", "notin"])
VALUES = st.sampled_from(["", "web", "a-b", "5", "in"])
REQUIREMENTS = st.one_of(
    st.builds(lambda k, op, v: Requirement(k, op, (v,)), KEYS, st.sampled_from(["=", "!="]), VALUES),
    st.builds(lambda k, op: Requirement(k, op), KEYS, st.sampled_from(["exists", "!"])),
    st.builds(lambda k, op, n: Requirement(k, op, (str(n),)), KEYS, st.sampled_from([">", "<"]), st.integers(0, 9)),
    st.builds(
        lambda k, op, vs: Requirement(k, op, tuple(sorted(vs))),
        KEYS,
        st.sampled_from(["in", "notin"]),
        st.sets(VALUES, min_size=1, max_size=3),
    ),
)
ANY_LABELS = st.dictionaries(KEYS, VALUES, max_size=3)


@tries(300)
@given(st.lists(REQUIREMENTS, max_size=4), ANY_LABELS)
def test_a_selector_is_what_its_key_says(requirements: Any, labels: dict[str, str]) -> None:
    selector = LabelSelector(requirements)
    again = LabelSelector.parse(selector.key)
    assert again == selector
    assert again.key == selector.key
    assert hash(again) == hash(selector)
    assert again.matches(labels) == selector.matches(labels) == all(r.matches(labels) for r in requirements)
    assert LabelSelector(requirements[::-1]).key == selector.key


@tries(400)
@given(st.text("ab=!(),<> innotin\0\t/.-5", max_size=20) | st.text(max_size=12))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    for parse in (LabelSelector.parse, FieldSelector.parse):
        try:
            selector: Any = parse(text)
        except SelectorError:
            continue
        assert parse(selector.key) == selector or "," in text
        selector.matches(LABELS)


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "api"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "back"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "gone", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": None, "matchExpressions": None}, True),
    ],
)
def test_a_selector_in_a_spec_selects(selector: Any, selects: bool) -> None:
    assert LabelSelector.from_object(selector).matches(LABELS) is selects


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Like", "values": ["b"]},
        {"key": "a"},
        {"key": "a", "operator": "In", "values": []},
        {"key": "a", "operator": "Exists", "values": ["b"]},
    ],
)
def test_an_expression_that_makes_no_sense_is_refused(expression: Any) -> None:
    with pytest.raises(SelectorError):
        LabelSelector.from_object({"matchExpressions": [expression]})


def test_nothing_is_selected_by_no_selector_and_everything_by_an_empty_one() -> None:
    nothing, everything = LabelSelector.nothing(), LabelSelector()
    assert not nothing.matches(LABELS)
    assert everything.matches(LABELS)
    assert everything.is_empty
    assert not nothing.is_empty
    assert nothing != everything
    assert nothing == LabelSelector.from_object(None)
    assert LabelSelector.from_labels(None) == everything
    assert LabelSelector.from_labels({"a": "b"}) == LabelSelector.parse("a=b")


@pytest.mark.parametrize(
    ("text", "fields", "selects"),
    [
        ("", {}, True),
        ("metadata.name=a", {"metadata.name": "a"}, True),
        ("metadata.name==a", {"metadata.name": "b"}, False),
        ("status.phase!=Running", {"status.phase": "Pending"}, True),
        ("status.phase!=Running,spec.nodeName=n", {"status.phase": "Running", "spec.nodeName": "n"}, False),
        ("spec.nodeName=", {}, True),
        ("a=b\\,c\\=d\\\\", {"a": "b,c=d\\"}, True),
        (",a=b,", {"a": "b"}, True),
    ],
)
def test_a_field_selector_selects(text: str, fields: dict[str, str], selects: bool) -> None:
    assert FieldSelector.parse(text).matches(fields) is selects


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abc", "invalid selector: 'abc'; can't understand 'abc'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: ="),
        ("a=\\n", "invalid field selector: invalid escape sequence: \\n"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_what_is_no_field_selector_is_told_in_upstream_s_words(text: str, told: str) -> None:
    with pytest.raises(SelectorError) as caught:
        FieldSelector.parse(text)
    assert str(caught.value) == told


def test_a_field_that_can_not_be_selected_by_is_refused() -> None:
    selector = FieldSelector.parse("metadata.name=a,spec.color=red")
    with pytest.raises(SelectorError, match=r"field label not supported: spec\.color"):
        selector.check_supported({"metadata.name", "metadata.namespace"})
    assert selector.exact("metadata.name") == "a"
    assert selector.exact("metadata.namespace") is None


@tries(200)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b.c"]), st.sampled_from(["=", "!="]), st.text(",=\\x", max_size=4)), max_size=3
    )
)
def test_a_field_selector_is_what_its_key_says(terms: list[tuple[str, str, str]]) -> None:
    escaped = [(f, op, v.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")) for f, op, v in terms]
    selector = FieldSelector.parse(",".join(f + op + v for f, op, v in escaped))
    assert [(r.field, r.operator, r.value) for r in selector.requirements] == terms
    assert FieldSelector.parse(selector.key).key == selector.key


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-5", -5), ("+5", 5), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("", None),
     ("1.0", None), ("1_0", None), (" 1", None), ("٣", None), ("-", None), ("9" * 5000, None)],
)  # fmt: skip
def test_integers_are_those_of_go(text: str, number: int | None) -> None:
    assert integer(text) == number


def test_long_selectors_cost_little() -> None:
    LabelSelector.parse(",".join(f"k{i}=v{i}" for i in range(20_000)))
    LabelSelector.parse("a in (" + ",".join(f"v{i}" for i in range(50_000)) + ")")
