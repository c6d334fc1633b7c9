"""IP addresses and CIDR ranges as specs carry them.

Since 1.36 a value that two programs could read differently is refused: leading zeros, IPv4 inside IPv6, host bits
beyond the prefix. Not promised: canonical IPv6 text, which only newer fields ask for (`check_canonical_cidr`).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from apiserver.api.fielderrors import invalid_value
from apiserver.api.kinds._checks import Errors

Address = IPv4Address | IPv6Address
Family = Literal["IPv4", "IPv6"]

NOT_AN_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_A_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_ZERO = re.compile(r"\b0+(?=\d)")
_LENGTH = re.compile(r"\d{1,9}", re.ASCII)


def parse_ip(value: str) -> Address | None:
    """None for what is no address; a zone (`fe80::1%eth0`) makes it none."""
    if "%" in value:
        return None
    try:
        return ip_address(value)
    except ValueError:
        return None


def _sloppy(value: str) -> Address | None:
    """As older programs read it: zeros may lead."""
    return parse_ip(value) or parse_ip(_ZERO.sub("", value) if ":" not in value else value)


def family_of(value: str) -> Family | None:
    address = _sloppy(value)
    if address is None:
        return None
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return "IPv4" if mapped or isinstance(address, IPv4Address) else "IPv6"


def check_ip(value: str, path: str, errors: Errors) -> bool:
    """Whether it is a good address."""
    told = _ip_complaint(value)
    if told:
        errors.append(invalid_value(path, value, told))
    return not told


def _ip_complaint(value: str) -> str:
    if _sloppy(value) is None:
        return NOT_AN_ADDRESS
    address = parse_ip(value)
    if address is None:
        return "must not have leading 0s"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return "must not be an IPv4-mapped IPv6 address"
    return ""


def canonical_ip_complaint(value: str) -> str:
    """Fields and names younger than 1.30 take one spelling only."""
    return _ip_complaint(value) or _canonical_complaint(value, str(parse_ip(value)))


def check_canonical_cidr(value: str, path: str, errors: Errors) -> None:
    told = _cidr_complaint(value) or _canonical_complaint(value, str(ip_network(value)))
    if told:
        errors.append(invalid_value(path, value, told))


def _canonical_complaint(value: str, canonical: str) -> str:
    return "" if value == canonical else f'must be in canonical form ("{canonical}")'


def check_cidr(value: str, path: str, errors: Errors) -> bool:
    """Whether it is a good range."""
    told = _cidr_complaint(value)
    if told:
        errors.append(invalid_value(path, value, told))
    return not told


def _cidr_complaint(value: str) -> str:
    text, slash, length = value.rpartition("/")
    address = _sloppy(text)
    if not slash or address is None or not _LENGTH.fullmatch(length) or int(length) > address.max_prefixlen:
        return _NOT_A_RANGE
    if parse_ip(text) is None or length != str(int(length)):
        return "must not have leading 0s in IP or prefix length"
    network = ip_network(value, strict=False)
    if isinstance(network, IPv6Network) and IPv6Address(text).ipv4_mapped is not None:
        return "must not have an IPv4-mapped IPv6 address"
    return "" if network.network_address == address else "must not have bits set beyond the prefix length"


def check_not_special(value: str, path: str, errors: Errors) -> None:
    """Addresses that mean another thing on every machine can't be where a Service leads to."""
    address = _sloppy(value)
    if address is None:
        errors.append(invalid_value(path, value, "must be a valid IP address"))
        return
    told = []
    if address.is_unspecified:
        told.append(f"may not be unspecified ({value})")
    if address.is_loopback:
        told.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        told.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address in _LINK_LOCAL_MULTICAST[address.version]:
        told.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    errors.extend(invalid_value(path, value, complaint) for complaint in told)


_LINK_LOCAL_MULTICAST = {4: ip_network("224.0.0.0/24"), 6: ip_network("ff02::/16")}
