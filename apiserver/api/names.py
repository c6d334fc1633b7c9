"""What may be a name, a label, a key or a port name, and upstream's complaint where it may not.

Every function takes the text and returns the complaints, none for a good one. The words are those of
`k8s.io/apimachinery/pkg/util/validation`, because clients and their tests compare them. Lengths count bytes.
"""

from __future__ import annotations

import re

MAX_LABEL = 63
MAX_SUBDOMAIN = 253
MAX_PORT_NAME = 15

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_ENDS = "and must start and end with an alphanumeric character"
_PERCENT_AND_SLASH = re.compile("[/%]")
_PRINTABLE = re.compile("[ -<>-~]+")
_PORT_CHARACTERS = re.compile("[-a-z0-9]+")
_PORT_LETTER = re.compile("[a-z]")


def _described(what: str, shape: str, *examples: str) -> str:
    """Upstream's sentence about a regular expression, with its odd spacing."""
    told = "or ".join(f"'{example}', " for example in examples).replace(", or", ",  or")
    return f"{what} (e.g. {told}regex used for validation is '{shape}')"


_BAD_LABEL = _described(
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}",
    _LABEL,
    "my-name",
    "123-abc",
)
_BAD_SUBDOMAIN = _described(
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}",
    _SUBDOMAIN,
    "example.com",
)
_BAD_WILDCARD = _described(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    _WILDCARD,
    "*.example.com",
)
_BAD_LABEL_1035 = _described(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_BAD_QUALIFIED = _described(
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}", _QUALIFIED, "MyName", "my.name", "123-abc"
)
_BAD_PREFIX = (
    f"a qualified name {_BAD_QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_BAD_VALUE = _described(
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    _VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_BAD_C_IDENTIFIER = _described(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'",
    _C_IDENTIFIER,
    "my_name",
    "MY_NAME",
    "MyName",
)
_BAD_ENV_VAR = _described(
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit",
    _ENV_VAR,
    "my.env-name",
    "MY_ENV.NAME",
    "MyEnvName1",
)
_BAD_RELAXED_ENV_VAR = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_BAD_CONFIG_KEY = _described(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)

_IS_LABEL = re.compile(_LABEL).fullmatch
_IS_SUBDOMAIN = re.compile(_SUBDOMAIN).fullmatch
_IS_WILDCARD = re.compile(_WILDCARD).fullmatch
_IS_LABEL_1035 = re.compile(_LABEL_1035).fullmatch
_IS_QUALIFIED = re.compile(_QUALIFIED).fullmatch
_IS_VALUE = re.compile(_VALUE).fullmatch
_IS_C_IDENTIFIER = re.compile(_C_IDENTIFIER).fullmatch
_IS_ENV_VAR = re.compile(_ENV_VAR).fullmatch
_IS_CONFIG_KEY = re.compile(_CONFIG_KEY).fullmatch


def _too_long(value: str, limit: int) -> list[str]:
    if len(value) <= limit // 4 or len(value.encode()) <= limit:
        return []
    return [f"must be no more than {limit} bytes"]


def dns1123_label(value: str) -> list[str]:
    """Names of namespaces, containers, volumes: `web-1`."""
    return _too_long(value, MAX_LABEL) + ([] if _IS_LABEL(value) else [_BAD_LABEL])


def dns1123_subdomain(value: str) -> list[str]:
    """Names of most objects: `web-1.example.com`."""
    return _too_long(value, MAX_SUBDOMAIN) + ([] if _IS_SUBDOMAIN(value) else [_BAD_SUBDOMAIN])


def wildcard_dns1123_subdomain(value: str) -> list[str]:
    """Hosts of an Ingress: `*.example.com`."""
    return _too_long(value, MAX_SUBDOMAIN) + ([] if _IS_WILDCARD(value) else [_BAD_WILDCARD])


def dns1035_label(value: str) -> list[str]:
    """Names of Services: like a label, and starts with a letter."""
    return _too_long(value, MAX_LABEL) + ([] if _IS_LABEL_1035(value) else [_BAD_LABEL_1035])


def label_value(value: str) -> list[str]:
    return _too_long(value, MAX_LABEL) + ([] if _IS_VALUE(value) else [_BAD_VALUE])


def qualified_name(value: str) -> list[str]:
    """Keys of labels, resources, finalizers: `name` or `example.com/name`."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return [_BAD_PREFIX]
    complaints = _prefix_complaints(prefix) if slash else []
    if not name:
        complaints.append("name part must be non-empty")
    complaints += [f"name part {c}" for c in _too_long(name, MAX_LABEL)]
    if not _IS_QUALIFIED(name):
        complaints.append(f"name part {_BAD_QUALIFIED}")
    return complaints


def _prefix_complaints(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    return [f"prefix part {c}" for c in dns1123_subdomain(prefix)]


def path_segment(value: str) -> list[str]:
    """Names that need only stand in a URL's path: roles, role bindings, certificate requests, priority levels."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{c}'" for c in ("/", "%") if c in value] if _PERCENT_AND_SLASH.search(value) else []


def c_identifier(value: str) -> list[str]:
    return [] if _IS_C_IDENTIFIER(value) else [_BAD_C_IDENTIFIER]


def env_var_name(value: str) -> list[str]:
    complaints = [] if _IS_ENV_VAR(value) else [_BAD_ENV_VAR]
    return complaints + _directory_like(value)


def relaxed_env_var_name(value: str) -> list[str]:
    """What containers may have since 1.34: anything printable but `=`."""
    if not value:
        return ["environment variable name must be non-empty"]
    return [] if _PRINTABLE.fullmatch(value) else [_BAD_RELAXED_ENV_VAR]


def config_map_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets: they become file names."""
    complaints = _too_long(value, MAX_SUBDOMAIN)
    if not _IS_CONFIG_KEY(value):
        complaints.append(_BAD_CONFIG_KEY)
    return complaints + _directory_like(value)


def _directory_like(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def port_name(value: str) -> list[str]:
    """IANA_SVC_NAME: `http`, `metrics-2`."""
    complaints = _too_long(value, MAX_PORT_NAME)
    if not _PORT_CHARACTERS.fullmatch(value):
        complaints.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _PORT_LETTER.search(value):
        complaints.append("must contain at least one letter (a-z)")
    if "--" in value:
        complaints.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        complaints.append("must not begin or end with a hyphen")
    return complaints


def mask_trailing_dash(prefix: str) -> str:
    """A `generateName` ends in a dash that the random suffix will follow: judge it as if it ended in a letter."""
    return prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix
