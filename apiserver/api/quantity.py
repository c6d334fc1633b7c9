"""Quantities: `canonical` says how upstream writes one (`0.5` → `500m`, `1024Mi` → `1Gi`), `Quantity` calculates.

The rules are those of `k8s.io/apimachinery/pkg/api/resource`: values are kept to one billionth, rounded away from
zero, and capped at what a signed 64-bit integer holds. Arithmetic is exact: no floats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, total_ordering
from typing import Literal

Form = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_SHAPE = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[+-]?\d*)", re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?\d{1,9})", re.ASCII)
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_NANO = 10**9
_MILLI = 10**6
_MOST = 2**63 - 1

WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_SUFFIX = "unable to parse quantity's suffix"


class NotAQuantity(ValueError):
    """The text can't be read as a quantity; the message is upstream's."""


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The quantity as upstream writes it. Raises NotAQuantity."""
    return str(Quantity.parse(text))


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount, and the family of suffixes that it is written with. Equal amounts are equal, however written."""

    nanos: int
    """Billionths."""
    form: Form = "DecimalSI"

    @staticmethod
    @lru_cache(maxsize=8192)
    def parse(text: str | int | float) -> Quantity:
        """From `1.5Gi`, `250m`, `1e3` or a JSON number. Raises NotAQuantity."""
        sign, whole, fraction, suffix = _split(str(text))
        digits = int(whole or "0") if not fraction else Fraction(f"{whole or '0'}.{fraction}")
        base, exponent = _scale(suffix)
        nanos = _capped(digits, base, exponent)
        return Quantity(-nanos if sign == "-" else nanos, _form(base, suffix))

    @staticmethod
    def of_milli(milli: int, form: Form = "DecimalSI") -> Quantity:
        return Quantity(milli * _MILLI, form)

    @staticmethod
    def of(value: int, form: Form = "DecimalSI") -> Quantity:
        return Quantity(value * _NANO, form)

    @property
    def value(self) -> int:
        """In units, rounded up."""
        return -(-self.nanos // _NANO)

    @property
    def milli_value(self) -> int:
        """In thousandths, rounded up."""
        return -(-self.nanos // _MILLI)

    def __str__(self) -> str:
        if self.nanos == 0:
            return "0"
        minus, nanos = ("-", -self.nanos) if self.nanos < 0 else ("", self.nanos)
        if self.form == "BinarySI" and nanos >= 1024 * _NANO and nanos % _NANO == 0:
            return minus + _in_binary(nanos // _NANO)
        return minus + _in_decimal(nanos, scientific=self.form == "DecimalExponent")

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.form if self.nanos else other.form)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.form if self.nanos else other.form)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.form)

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __eq__(self, other: object) -> bool:
        return self.nanos == other.nanos if isinstance(other, Quantity) else NotImplemented

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)


def _form(base: int, suffix: str) -> Form:
    if base == 2:
        return "BinarySI"
    return "DecimalExponent" if suffix[:1] in ("e", "E") and len(suffix) > 1 else "DecimalSI"


def _split(text: str) -> tuple[str, str, str, str]:
    found = _SHAPE.fullmatch(text) if len(text) <= 1024 else None
    if found is None or not (found[2] or found[3]):
        raise NotAQuantity(WRONG_FORMAT)
    return found[1], found[2], (found[3] or "").rstrip("0"), found[4]


def _scale(suffix: str) -> tuple[int, int]:
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    found = _EXPONENT.fullmatch(suffix)
    if found is None:
        raise NotAQuantity(WRONG_SUFFIX)
    return 10, int(found[1])


def _capped(digits: int | Fraction, base: int, exponent: int) -> int:
    """Billionths, rounded away from zero. Huge exponents are clamped first, so that no input costs much."""
    if digits == 0:
        return 0
    exponent = max(-1100, min(exponent, 1100))
    exact = digits * Fraction(base) ** exponent * _NANO
    return min(-(-exact.numerator // exact.denominator), _MOST * _NANO)


def _in_binary(units: int) -> str:
    suffix = ""
    for name in _BINARY:
        if units % 1024:
            break
        units //= 1024
        suffix = name
    return f"{units}{suffix}"


def _in_decimal(nanos: int, *, scientific: bool) -> str:
    exponent = -9
    while nanos % 1000 == 0 and exponent < 18:
        nanos //= 1000
        exponent += 3
    if scientific:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_SUFFIX[exponent]}"
