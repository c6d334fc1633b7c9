from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from apiserver.api.gotext import json_text, quoted, value_text
from tests.unit.api.shapes import ANY_JSON, TEXT, tries


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain text", '"plain text"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("é 世 😀", '"é 世 😀"'),
        ("\u200b\ue000", r'"\u200b\ue000"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("\ud800", '"\ufffd"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, written: str) -> None:
    assert quoted(text) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({}, "map[]"),
        ({"b": 1, "a": {"c": [1, "x", None, True, 1.5]}}, "map[a:map[c:[1 x <nil> true 1.5]] b:1]"),
        ([], "[]"),
        (1e21, "1e+21"),
    ],
)
def test_documents_are_printed_as_go_prints_them(value: Any, written: str) -> None:
    assert value_text(value) == written


@tries(200)
@given(ANY_JSON, TEXT)
def test_json_is_json_whatever_is_escaped(value: Any, text: str) -> None:
    assert orjson.loads(json_text([value, text])) == [value, text]
    assert not set("<>&\u2028\u2029") & set(json_text([value, text]))
    value_text(value)
    quoted(text)
