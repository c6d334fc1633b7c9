"""Quantities as exact whole numbers of billionths, so that they compare and add up without rounding."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

UNIT = 10**9
"""One."""
MILLI = 10**6
"""One thousandth: the finest grain that requests and limits keep."""

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([eE][+-]?\d+)|([numkMGTPE]?))", re.ASCII)


class NotAQuantity(ValueError):
    """The text can't be read as a quantity."""


def _split(value: Any) -> re.Match[str]:
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        raise NotAQuantity(f"not a quantity: {value!r}")
    return found


@lru_cache(maxsize=8192)
def amount(value: Any) -> int:
    """Billionths, rounded away from zero. Raises NotAQuantity."""
    number, binary, exponent, decimal = _split(value).groups()
    if binary:
        exact = Fraction(number) * _BINARY[binary]
    elif exponent:
        exact = Fraction(number) * Fraction(10) ** int(exponent[1:])
    else:
        exact = Fraction(number) * Fraction(10) ** _DECIMAL[decimal]
    return _away_from_zero(exact * UNIT)


def _away_from_zero(exact: Fraction) -> int:
    return -(-exact.numerator // exact.denominator) if exact > 0 else exact.numerator // exact.denominator


def _decimal(billionths: int, *, scientific: bool) -> str:
    exponent = -9
    while billionths % 1000 == 0 and exponent < 18:
        billionths //= 1000
        exponent += 3
    if not scientific:
        return f"{billionths}{_SUFFIX_BY_EXPONENT[exponent]}"
    return f"{billionths}e{exponent}" if exponent else str(billionths)


def _binary(units: int) -> str:
    suffix = ""
    for name in _BINARY:
        if units % 1024:
            break
        units //= 1024
        suffix = name
    return f"{units}{suffix}"


@lru_cache(maxsize=8192)
def canonical(value: Any) -> str:
    """How the quantity is written in answers: `0.5` → `500m`, `1024Ki` → `1Mi`, finest grain one thousandth."""
    billionths = amount(value)
    billionths = _away_from_zero(Fraction(billionths, MILLI)) * MILLI
    if billionths == 0:
        return "0"
    _, binary, exponent, _ = _split(value).groups()
    if binary and billionths % UNIT == 0 and abs(billionths) >= 1024 * UNIT:
        return _binary(billionths // UNIT)
    return _decimal(billionths, scientific=bool(exponent))


def written(billionths: int) -> str:
    """A sum as text: binary suffixes where they divide it, as sizes of memory mostly are."""
    if billionths % (1024 * UNIT) == 0 and billionths:
        return _binary(billionths // UNIT)
    return _decimal(billionths, scientific=False) if billionths else "0"
