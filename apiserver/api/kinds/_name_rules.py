"""Rules for names inside the specs of workloads, with upstream's complaints."""

from __future__ import annotations

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY = "[-._a-zA-Z0-9]+"

_IS_LABEL = re.compile(_LABEL)
_IS_SUBDOMAIN = re.compile(_SUBDOMAIN)
_IS_QUALIFIED = re.compile(_QUALIFIED)
_IS_VALUE = re.compile(f"({_QUALIFIED})?")
_IS_KEY = re.compile(_KEY)

_CHARACTERS = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_BAD_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_BAD_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_BAD_QUALIFIED = (
    f"must {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_BAD_PREFIX = (
    f"a qualified name {_BAD_QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_BAD_VALUE = (
    f"a valid label must be an empty string or {_CHARACTERS} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_QUALIFIED})?')"
)
_BAD_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY}')"
)


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(value.encode()) > limit else []


def dns1123_label(value: str) -> list[str]:
    return _too_long(value, 63) + ([] if _IS_LABEL.fullmatch(value) else [_BAD_LABEL])


def dns1123_subdomain(value: str) -> list[str]:
    return _too_long(value, 253) + ([] if _IS_SUBDOMAIN.fullmatch(value) else [_BAD_SUBDOMAIN])


def label_value(value: str) -> list[str]:
    return _too_long(value, 63) + ([] if _IS_VALUE.fullmatch(value) else [_BAD_VALUE])


def qualified_name(value: str) -> list[str]:
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return [_BAD_PREFIX]
    complaints = []
    if slash:
        complaints = ["prefix part must be non-empty"] if not prefix else []
        complaints += [f"prefix part {c}" for c in dns1123_subdomain(prefix)] if prefix else []
    if not name:
        complaints.append("name part must be non-empty")
    complaints += [f"name part {c}" for c in _too_long(name, 63)]
    if not _IS_QUALIFIED.fullmatch(name):
        complaints.append(f"name part {_BAD_QUALIFIED}")
    return complaints


def config_map_key(value: str) -> list[str]:
    complaints = _too_long(value, 253)
    if not _IS_KEY.fullmatch(value):
        complaints.append(_BAD_KEY)
    if value in (".", ".."):
        complaints.append(f"must not be '{value}'")
    elif value.startswith(".."):
        complaints.append("must not start with '..'")
    return complaints


def port_name(value: str) -> list[str]:
    complaints = []
    if len(value) > 15:
        complaints.append("must be no more than 15 bytes")
    if not re.fullmatch("[-a-z0-9]+", value):
        complaints.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        complaints.append("must contain at least one letter (a-z)")
    if "--" in value:
        complaints.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        complaints.append("must not begin or end with a hyphen")
    return complaints
