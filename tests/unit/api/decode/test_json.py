from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api import jsondecode
from apiserver.api.jsondecode import NotJSON
from apiserver.api.jsonsyntax import complaint
from tests.unit.api.shapes import ANY_JSON, tries


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "unexpected end of JSON input"),
        (b" \n", "unexpected end of JSON input"),
        (b'{"a":', "unexpected end of JSON input"),
        (b'"abc', "unexpected end of JSON input"),
        (b"-", "unexpected end of JSON input"),
        (b"nul", "unexpected end of JSON input"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b"nule", "invalid character 'e' in literal null (expecting 'l')"),
        (b"tru!", "invalid character '!' in literal true (expecting 'e')"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1ex", "invalid character 'x' in exponent of numeric literal"),
        (b"01", "invalid character '1' after top-level value"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\x00"', "invalid character '\\x00' in string literal"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"/* */ 1", "invalid character '/' looking for beginning of value"),
    ],
)
def test_malformed_json_is_told_in_go_s_words(body: bytes, told: str) -> None:
    with pytest.raises(NotJSON) as caught:
        jsondecode.decode(body)
    assert str(caught.value) == told


@tries(300)
@given(ANY_JSON)
def test_what_is_json_has_no_complaint_and_is_read_back(document: object) -> None:
    for body in (orjson.dumps(document), json.dumps(document, indent=1).encode()):
        assert complaint(body) is None
        assert jsondecode.decode(body) == document


@tries(500)
@given(st.binary(max_size=12) | st.text('{}[]:,"\\0eE+-.1tfnul ', max_size=14).map(str.encode))
def test_the_scanner_and_the_decoder_agree_on_what_is_malformed(body: bytes) -> None:
    try:
        json.loads(body.decode("utf-8", "replace").replace("NaN", "?").replace("Infinity", "?"))
        is_json = True
    except (ValueError, RecursionError):
        is_json = False
    if body.strip(b" \t\r\n") == body.strip() and not body.startswith(b"\xef\xbb\xbf"):
        assert (complaint(body) is None) == is_json


@tries(200)
@given(ANY_JSON, st.data())
def test_a_document_that_is_cut_off_is_malformed(document: object, data: st.DataObject) -> None:
    body = b"[" + orjson.dumps(document) + b"]"
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    assert complaint(cut) == "unexpected end of JSON input"


def test_integers_beyond_64_bits_are_floats() -> None:
    assert jsondecode.decode(b"[18446744073709551615, 18446744073709551616, -9223372036854775809]") == [
        2**64 - 1,
        float(2**64),
        -float(2**63 + 1),
    ]
    mended = jsondecode.decode(b'["\\ud800", 18446744073709551616]')
    assert mended == ["\ufffd", float(2**64)]


def test_of_a_field_that_occurs_twice_the_last_one_counts() -> None:
    assert jsondecode.decode(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_bounded_before_anything_recurses(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deepest = jsondecode.DEEPEST - 1
    jsondecode.decode(opening * deepest + b"1" + closing * deepest)
    for levels in (jsondecode.DEEPEST + 1, 1_000, 200_000):
        with pytest.raises(NotJSON, match="exceeded max depth"):
            jsondecode.decode(opening * levels + b"1" + closing * levels)


def test_a_wide_document_is_not_deep() -> None:
    assert len(jsondecode.decode(b"[" + b"{}," * 10_000 + b"{}]")) == 10_001
