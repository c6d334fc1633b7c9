"""YAML bodies as JSON documents: plain data only, scalars read as upstream's YAML library reads them.

That is YAML 1.1 without its traps: `1:30` and dates stay text, `yes`, `on` and `y` are booleans, `0o17` and `017` are
octal, `1e3` is a number. Keys that are not text become text. Anchors may be used, and a document may not grow by them
beyond bounds. Raises NotYAML.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from apiserver.api.jsondecode import NotJSON, refuse_deep

MOST_NODES = 200_000
"""How many values a document may have once its aliases are written out."""

_BOOLEANS = {"y", "yes", "true", "on"}
_BOOLEAN = re.compile(r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF")
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NULL = re.compile(r"~|null|Null|NULL|")
_BASES = {"0b": 2, "0o": 8, "0x": 16}


class NotYAML(ValueError):
    """The body can't be read as YAML, or holds what JSON has no form for."""


class _Loader(yaml.CSafeLoader):
    """`repeated` gathers the complaints of mappings that have a key twice."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012 - filled below, once

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.repeated: list[str] = []


def decode(body: bytes) -> tuple[Any, list[str]]:
    """The document and the complaints about repeated keys. Raises NotYAML."""
    loader = None
    try:
        loader = _Loader(body)
        document = loader.get_single_data()
        _refuse_large(document)
        refuse_deep(document)
    except yaml.YAMLError as err:
        raise NotYAML(_told(err)) from err
    except (RecursionError, NotJSON) as err:
        raise NotYAML("exceeded max depth") from err
    finally:
        if loader is not None:
            loader.dispose()
    return document, loader.repeated


def _told(err: yaml.YAMLError) -> str:
    if isinstance(err, yaml.MarkedYAMLError) and err.problem_mark is not None:
        return f"yaml: line {err.problem_mark.line + 1}: {err.problem}"
    return f"yaml: {err}".replace("\n", " ")


def _refuse_large(document: Any) -> None:
    """Aliases share what they name; written out as JSON they don't, and a small text may stand for terabytes."""
    left = MOST_NODES
    stack = [document]
    while stack:
        value = stack.pop()
        left -= 1
        if left < 0:
            raise NotYAML("yaml: document contains excessive aliasing")
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    own = len(node.value)
    loader.flatten_mapping(node)
    merged = len(node.value) - own
    out: dict[str, Any] = {}
    for i, (key_node, value_node) in enumerate(node.value):
        key = _key(loader.construct_object(key_node, deep=True))
        if key in out and i > max(merged, 0):
            loader.repeated.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
        out[key] = loader.construct_object(value_node, deep=True)
    return out


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (str, int)):
        return str(key)
    if isinstance(key, float):
        return f"{key:g}"
    if key is None:
        return "null"
    raise NotYAML("error converting YAML to JSON: unsupported map key")


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
    return sign * int(digits.removeprefix("0o") if base == 8 else digits, base)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    value = float(text)
    if not math.isfinite(value):
        raise NotYAML(f"json: unsupported value: {text}")
    return value


def _boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node).lower() in _BOOLEANS


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _prepare() -> None:
    for tag, shape, first in (
        ("bool", _BOOLEAN, "yYnNtTfFoO"),
        ("int", _INTEGER, "-+0123456789"),
        ("float", _FLOAT, "-+0123456789."),
        ("null", _NULL, ["~", "n", "N", ""]),
    ):
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{shape.pattern})$"), list(first))
    _Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
    _Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
    _Loader.add_constructor("tag:yaml.org,2002:int", _integer)
    _Loader.add_constructor("tag:yaml.org,2002:float", _float)
    _Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)
    _Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


_prepare()
