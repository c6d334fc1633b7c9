from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api import names
from tests.unit.api.shapes import tries

RULES = [
    names.dns1123_label,
    names.dns1123_subdomain,
    names.dns1035_label,
    names.label_value,
    names.qualified_name,
    names.path_segment,
    names.c_identifier,
    names.env_var_name,
    names.relaxed_env_var_name,
    names.config_map_key,
    names.port_name,
]

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (names.dns1123_label, ["a", "a-b", "1", "a" * 63], ["", "A", "a.b", "-a", "a-", "a_b", "ä", "a\n"]),
        (names.dns1123_subdomain, ["a", "a.b", "1.2", "a-b.c"], ["", "A", ".a", "a.", "a..b", "-a", "a-.b", "a b"]),
        (names.dns1035_label, ["a", "a1", "a-b"], ["", "1a", "A", "a.b", "a-"]),
        (names.label_value, ["", "a", "A.b_c-1", "1"], ["-a", "a-", ".a", "a b", "ä"]),
        (names.qualified_name, ["a", "A_b.c", "x.y/a"], ["", "a/b/c", "/a", "a/", "X/a", "-a", "x_y/a"]),
        (names.path_segment, ["a", "A:b", "", "a b"], [".", "..", "a/b", "a%b"]),
        (names.c_identifier, ["a", "_A1"], ["", "1a", "a-b", "a.b"]),
        (names.env_var_name, ["a", "_A1", "a.b-c"], ["", "1a", "a b", ".", "..", "..a"]),
        (names.relaxed_env_var_name, ["a", "1 a", "!"], ["", "a=b", "\t", "ä"]),
        (names.config_map_key, ["a", "1.a_b-C", ".a"], ["", "a/b", ".", "..", "..a", "a b"]),
        (names.port_name, ["http", "a1", "1-a"], ["", "1", "HTTP", "a--b", "-a", "a-", "a" * 16, "a.b"]),
    ],
)
def test_what_may_be_a_name(rule: Callable[[str], list[str]], good: list[str], bad: list[str]) -> None:
    assert [name for name in good if rule(name)] == []
    assert [name for name in bad if not rule(name)] == []


def test_complaints_are_upstream_s() -> None:
    assert names.dns1123_label("A") == [LABEL]
    assert names.dns1123_subdomain("A") == [SUBDOMAIN]
    assert names.dns1035_label("1") == [LABEL_1035]
    assert names.label_value("-") == [VALUE]
    assert names.dns1123_label("A" * 64) == ["must be no more than 63 bytes", LABEL]
    assert names.dns1123_subdomain("a" * 254) == ["must be no more than 253 bytes"]
    assert names.path_segment("a/b%") == ["may not contain '/'", "may not contain '%'"]
    assert names.path_segment("..") == ["may not be '..'"]
    assert names.qualified_name("/a") == ["prefix part must be non-empty"]
    assert names.qualified_name("X/a") == [f"prefix part {SUBDOMAIN}"]
    assert names.qualified_name("x/")[0] == "name part must be non-empty"
    assert names.qualified_name("a" * 64) == ["name part must be no more than 63 bytes"]
    assert names.port_name("1") == ["must contain at least one letter (a-z)"]


def test_lengths_count_bytes() -> None:
    assert "must be no more than 63 bytes" in names.label_value("é" * 32)
    assert "must be no more than 63 bytes" not in names.label_value("é" * 31)


@pytest.mark.parametrize(("prefix", "judged"), [("web-", "wea"), ("a-", "a"), ("-", "-"), ("web", "web"), ("", "")])
def test_the_dash_at_the_end_of_a_prefix_is_no_fault(prefix: str, judged: str) -> None:
    assert names.mask_trailing_dash(prefix) == judged


@tries(300)
@given(st.text(max_size=70) | st.text("aA1-._/%= \n", max_size=20))
def test_every_text_is_a_name_or_has_complaints(text: str) -> None:
    for rule in RULES:
        assert all(isinstance(complaint, str) and complaint for complaint in rule(text))


@tries(200)
@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True))
def test_a_label_is_a_subdomain_a_label_value_and_a_key(label: str) -> None:
    assert not names.dns1123_label(label)
    assert not names.dns1123_subdomain(label)
    assert not names.label_value(label)
    assert not names.qualified_name(label)
    assert not names.config_map_key(label)


def test_long_texts_cost_little() -> None:
    for rule in RULES:
        rule("a" * 1_000_000)
        rule("a-" * 500_000)
        rule("a." * 500_000)
