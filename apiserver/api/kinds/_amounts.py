"""Quantities as exact whole numbers of billionths, so that they compare and add up without rounding."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from apiserver.api import quantity

UNIT = 10**9
"""One."""
_MILLI = 10**6
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {
    "n": 1,
    "u": 10**3,
    "m": 10**6,
    "k": 10**12,
    "M": 10**15,
    "G": 10**18,
    "T": 10**21,
    "P": 10**24,
    "E": 10**27,
}


@lru_cache(maxsize=8192)
def amount(value: Any) -> int:
    """Billionths. Raises quantity.NotAQuantity."""
    text = quantity.canonical(str(value))
    number, mark, exponent = text.partition("e")
    if mark:
        power: int = 10 ** max(9 + int(exponent), 0)
        return int(number) * power
    if text[-2:] in _BINARY:
        return int(text[:-2]) * _BINARY[text[-2:]] * UNIT
    if text[-1:] in _DECIMAL:
        return int(text[:-1]) * _DECIMAL[text[-1:]]
    return int(text) * UNIT


@lru_cache(maxsize=8192)
def canonical(value: Any) -> str:
    """As answers write it, rounded up to thousandths: the finest grain that requests and limits keep."""
    billionths = amount(value)
    if billionths % _MILLI:
        return quantity.canonical(f"{-(-billionths // _MILLI)}m")
    return quantity.canonical(str(value))


def written(billionths: int) -> str:
    """A sum as text: with a binary suffix where one divides it, as sizes of memory mostly are."""
    if billionths and billionths % (1024 * UNIT) == 0:
        return quantity.canonical(f"{billionths // (1024 * UNIT)}Ki")
    return quantity.canonical(f"{billionths}n")
