from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api import yamldecode
from apiserver.api.yamldecode import NotYAML
from tests.unit.api.shapes import ANY_JSON, tries


def read(text: str) -> Any:
    return yamldecode.decode(text.encode())[0]


def told(text: str | bytes) -> str:
    with pytest.raises(NotYAML) as caught:
        yamldecode.decode(text if isinstance(text, bytes) else text.encode())
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("nUll", "nUll"),
        ("yes", True), ("On", True), ("y", True), ("TRUE", True), ("off", False), ("N", False), ("tRue", "tRue"),
        ("1", 1), ("-7", -7), ("+7", 7), ("0", 0), ("-0", 0), ("1_000", 1000), ("0x1F", 31), ("-0x1f", -31),
        ("0b101", 5), ("0o17", 15), ("017", 15), ("0777", 511), ("08", 8), ("0b12", "0b12"), ("0x", "0x"),
        ("1.5", 1.5), (".5", 0.5), ("1.", 1), ("1.0", 1), ("1e3", 1000), ("1E-2", 0.01), ("1e21", 1e21), ("1e", "1e"),
        ("1e999", "1e999"), ("-1e999", "-1e999"), ("1__0", 10), ("_1", "_1"), (".", "."), ("+", "+"),
        ("12:30:45", "12:30:45"), ("2001-01-01", "2001-01-01"), ("2001-12-14t21:59:43Z", "2001-12-14t21:59:43Z"),
        ("18446744073709551615", 2**64 - 1), ("18446744073709551616", float(2**64)), ("-9223372036854775808", -(2**63)),
        ("'1'", "1"), ('"yes"', "yes"), ("!!str 1", "1"), ("!!int '3'", 3), ("!!float 3", 3), ("!!bool 'yes'", True),
        ("!!null ''", None), ("!!binary aGVsbG8=", "hello"), ("!!binary gA==", "\ufffd"),
        ("!!timestamp 2001-01-01", "2001-01-01"),
        ("!mine 5", "5"), ("!!python/name:os.system x", "x"), ("|\n  1\n", "1\n"), ("! 5", 5), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_a_scalar_means_what_it_means_to_upstream(text: str, value: Any) -> None:
    found = read(f"- {text}")[0]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_text() -> None:
    assert read("{1: a, 1.5: b, yes: c, 'x': d, 2001-01-01: e}") == {
        "1": "a",
        "1.5": "b",
        "true": "c",
        "x": "d",
        "2001-01-01": "e",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "yaml: mapping values are not allowed in this context"),
        ("x: 1\na: b: c", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: [", "yaml: line 1: did not find expected node content"),
        ("x: 1\n\ta: 1", "yaml: line 2: found a tab character that violates indentation"),
        ("a:\n  - b\n c", "yaml: line 2: did not find expected key"),
        ("@", "yaml: found character that cannot start any token"),
        ("a: *x-1", "yaml: unknown anchor 'x-1' referenced"),
        ("a: &x [*x]", "yaml: anchor value contains itself"),
        ("a: \x01", "yaml: control characters are not allowed"),
        (b"a: \xc3\x28", "yaml: invalid trailing UTF-8 octet"),
        ("? [a]\n: b", "yaml: invalid map key"),
        ("? {a: b}\n: b", "yaml: invalid map key"),
        ("~: b", "unsupported map key of type: %!s(<nil>), key: <nil>"),
        ("a: .inf", "json: unsupported value: +Inf"),
        ("a: -.Inf", "json: unsupported value: -Inf"),
        (".nan: a", "json: unsupported value: NaN"),
        ("a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
        ("a: !!bool 1", "yaml: cannot decode !!int `1` as a !!bool"),
        ("a: !!null 1.5", "yaml: cannot decode !!float `1.5` as a !!null"),
        ("a: !!int ~", "yaml: cannot decode !!null `~` as a !!int"),
        ("a: !!float yes", "yaml: cannot decode !!bool `yes` as a !!float"),
        ("a: !!binary '%'", "yaml: !!binary value contains invalid base64 data"),
        ("<<: 1", "yaml: map merge requires map or sequence of maps as the value"),
        ("<<: [1]", "yaml: map merge requires map or sequence of maps as the value"),
        ("%YAML 9.9\n---\na: 1", "yaml: found incompatible YAML document"),
        ("a: " + "1" * 400, "json: cannot unmarshal number " + "1" * 400 + " into Go value of type float64"),
    ],
)
def test_what_can_not_be_read_is_told_in_upstream_s_words(text: str | bytes, message: str) -> None:
    assert told(text) == message


def test_the_first_document_of_a_stream_counts() -> None:
    assert read("a: 1\n---\nb: [\n") == {"a": 1}
    assert read("") is None
    assert read("---\n") is None
    assert read("# nothing\n") is None


def test_repeated_keys_are_told_with_their_line_and_the_last_one_counts() -> None:
    document, repeated = yamldecode.decode(b"a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert document == {"a": 3, "b": {"c": 2}}
    assert repeated == ['line 2: key "c" already set in map', 'line 3: key "a" already set in map']


def test_merges_bring_what_is_not_there() -> None:
    document, repeated = yamldecode.decode(
        b"base: &b {a: 1, l: [1]}\none: {<<: *b, a: 2}\ntwo: {<<: [{a: 5, z: 9}, *b]}\n'<<': kept\n"
    )
    assert document["one"] == {"a": 2, "l": [1]}
    assert document["two"] == {"a": 5, "l": [1], "z": 9}
    assert document["<<"] == "kept"
    assert repeated == []


def test_an_alias_is_a_copy() -> None:
    document = read("a: &x {l: [1]}\nb: *x\n")
    document["a"]["l"].append(2)
    assert document["b"] == {"l": [1]}


def test_mappings_and_lists_are_what_they_look_like_whatever_their_tag() -> None:
    assert read("!!set {a, b}") == {"a": None, "b": None}
    assert read("!!omap [a: 1]") == [{"a": 1}]
    assert read("!!python/object:os.system {x: 1}") == {"x": 1}
    assert read("!!python/object/apply:os.system ['true']") == ["true"]


@tries(300)
@given(ANY_JSON)
def test_json_is_yaml(document: Any) -> None:
    text = orjson.dumps(document).decode()
    if text.isprintable():
        assert yamldecode.decode(text.encode())[0] == document


@tries(200)
@given(ANY_JSON.filter(lambda d: orjson.dumps(d).decode().isprintable()), st.booleans())
def test_what_a_yaml_writer_writes_is_read_back(document: Any, flow: bool) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True)
    assert read(text) == document


@tries(500)
@given(st.text("{}[]:,-?!&*<>|'\"%@`#~ \n\tab01.y", max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document, _ = yamldecode.decode(text.encode())
    except NotYAML:
        return
    orjson.dumps(document)


def test_growth_by_aliases_is_bounded_and_size_is_not() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 50))]
    began = time.monotonic()
    assert told("\n".join(lines)) == "yaml: document contains excessive aliasing"
    assert time.monotonic() - began < 30
    assert len(read("[" + "x," * 250_000 + "]")) == 250_000
