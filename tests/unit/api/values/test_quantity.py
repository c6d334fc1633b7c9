from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.quantity import WRONG_FORMAT, WRONG_SUFFIX, NotAQuantity, Quantity, canonical
from tests.unit.api.shapes import tries

MOST = "9223372036854775807"
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+1"]
NUMBERS = st.builds(
    lambda sign, whole, fraction, suffix: f"{sign}{whole}{fraction}{suffix}",
    st.sampled_from(["", "+", "-"]),
    st.integers(0, 10**12).map(str),
    st.just("") | st.integers(0, 10**12).map(lambda n: f".{n}"),
    st.sampled_from(SUFFIXES),
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0", "0"), ("0Gi", "0"), ("-0", "0"), ("00.00", "0"), (".5", "500m"), ("5.", "5"), ("+5", "5"), ("-5", "-5"),
        ("100m", "100m"), ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), ("1.25", "1250m"), ("0.001", "1m"),
        ("1k", "1k"), ("1000", "1k"), ("1500", "1500"), ("1000k", "1M"), ("1e3", "1e3"), ("1E3", "1e3"),
        ("1000e3", "1e6"),
        ("1e-3", "1e-3"), ("100e-1", "10"), ("1Ki", "1Ki"), ("1024Ki", "1Mi"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"), ("0.5Ki", "512"), ("1.5Ki", "1536"), ("1023Ki", "1023Ki"), ("0.1Mi", "104857600m"),
        ("1n", "1n"), ("0.1n", "1n"), ("-0.1n", "-1n"), ("1u", "1u"), ("12345678901234", "12345678901234"),
        (MOST, MOST), ("9223372036854775808", MOST), ("1e100", MOST),
        ("-9223372036854775808", f"-{MOST}"), ("10E", MOST), ("1E", "1E"), ("1e-100", "1e-9"),
    ],
)  # fmt: skip
def test_a_quantity_is_written_as_upstream_writes_it(text: str, kept: str) -> None:
    assert canonical(text) == kept


@pytest.mark.parametrize(
    "text", ["", " ", "1 ", "abc", "1.2.3", ".", "-", "+-1", "1,5", "0x10", "١", "1Gi ", "--1", "1" * 2000]
)
def test_what_is_no_number_is_told_in_upstream_s_words(text: str) -> None:
    with pytest.raises(NotAQuantity) as caught:
        canonical(text)
    assert str(caught.value) == WRONG_FORMAT


@pytest.mark.parametrize("text", ["1Kii", "1mm", "1ki", "1MM", "1e", "1eM", "1e1234567890123", "1K", "1iK", "1i"])
def test_an_unknown_suffix_is_told_in_upstream_s_words(text: str) -> None:
    with pytest.raises(NotAQuantity) as caught:
        canonical(text)
    assert str(caught.value) in (WRONG_SUFFIX, WRONG_FORMAT)


@tries(500)
@given(NUMBERS)
def test_writing_is_stable_and_keeps_the_amount(text: str) -> None:
    kept = canonical(text)
    assert canonical(kept) == kept
    assert Quantity.parse(kept) == Quantity.parse(text)


@tries(500)
@given(st.text("0123456789.eEinumkKMGTP+-", max_size=12))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        kept = canonical(text)
    except NotAQuantity:
        return
    assert canonical(kept) == kept


@tries(300)
@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_sums_and_comparisons_are_exact(one: int, other: int) -> None:
    left, right = Quantity.of_milli(one), Quantity.of_milli(other)
    assert (left + right).milli_value == one + other
    assert (left - right).milli_value == one - other
    assert (left < right) == (one < other)
    assert (left == right) == (one == other)
    assert bool(left) == (one != 0)
    assert (-left).milli_value == -one


@pytest.mark.parametrize(
    ("text", "value", "milli"),
    [("1", 1, 1000), ("1m", 1, 1), ("1n", 1, 1), ("1500m", 2, 1500), ("1Ki", 1024, 1024_000), ("-1500m", -1, -1500)],
)
def test_values_are_rounded_up(text: str, value: int, milli: int) -> None:
    quantity = Quantity.parse(text)
    assert (quantity.value, quantity.milli_value) == (value, milli)


def test_equal_amounts_are_equal_however_they_are_written() -> None:
    assert Quantity.parse("1Gi") == Quantity.parse("1024Mi") == Quantity.parse("1073741824")
    assert len({Quantity.parse("1"), Quantity.parse("1000m"), Quantity.parse("1e0")}) == 1


def test_a_sum_is_written_like_its_first_amount() -> None:
    assert str(Quantity.parse("1Gi") + Quantity.parse("1024")) == str(Quantity.parse("1048577Ki"))
    assert str(Quantity.parse("0") + Quantity.parse("2Gi")) == "2Gi"


@tries(200)
@given(st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=12))
def test_an_amount_is_rounded_to_a_billionth_away_from_zero(number: Decimal) -> None:
    exact = Fraction(number) * 10**9
    nanos = Quantity.parse(f"{number:f}").nanos
    assert abs(exact) <= abs(nanos) < abs(exact) + 1
