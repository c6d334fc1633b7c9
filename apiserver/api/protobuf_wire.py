"""The wire format of protobuf: varints, lengths, and how to step over what nobody knows.

Every read is bounded by the end of the message it belongs to; nothing is copied or allocated by a length that was not
checked against the bytes that are there. The words of the errors are those of upstream's generated decoders.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
_MASK = (1 << 64) - 1
_UNEXPECTED_END = "unexpected EOF"


class Malformed(ValueError):
    """The bytes are not the message they should be."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(the unsigned value, where the next byte is). Raises Malformed."""
    value = shift = 0
    while True:
        if at >= end:
            raise Malformed(_UNEXPECTED_END)
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
        shift += 7
        if shift >= 64:
            raise Malformed("proto: integer overflow")


def span(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Start and end of a length-delimited value. Raises Malformed where it does not fit."""
    length, at = varint(data, at, end)
    if length >> 63:
        raise Malformed("proto: negative length found during unmarshaling")
    if length > end - at:
        raise Malformed(_UNEXPECTED_END)
    return at, at + length


def fixed(at: int, end: int, size: int) -> int:
    """The end of a value of this many bytes. Raises Malformed."""
    if size > end - at:
        raise Malformed(_UNEXPECTED_END)
    return at + size


def skip(data: bytes, at: int, end: int, wire: int) -> int:
    """Where the value of an unknown field ends; groups are stepped over whole. Raises Malformed."""
    open_groups = 0
    while True:
        if wire == VARINT:
            _, at = varint(data, at, end)
        elif wire == FIXED64:
            at = fixed(at, end, 8)
        elif wire == LENGTH:
            _, at = span(data, at, end)
        elif wire == GROUP:
            open_groups += 1
        elif wire == END_GROUP:
            if not open_groups:
                raise Malformed("proto: unexpected end of group")
            open_groups -= 1
        elif wire == FIXED32:
            at = fixed(at, end, 4)
        else:
            raise Malformed(f"proto: illegal wireType {wire}")
        if not open_groups:
            return at
        tag, at = varint(data, at, end)
        wire = tag & 7


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, value, end) of each field; the value of what is no varint is where it starts."""
    while at < end:
        tag, at = varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0 or number >> 29:
            raise Malformed(f"proto: illegal tag {number} (wire type {wire})")
        if wire == VARINT:
            value, at = varint(data, at, end)
        elif wire == LENGTH:
            value, at = span(data, at, end)
        else:
            value, at = at, skip(data, at, end, wire)
        yield number, wire, value, at


def signed(value: int, bits: int) -> int:
    """Two's complement of the lower bits, as Go's conversions do."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
