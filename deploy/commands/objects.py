"""Objects as text for people: YAML that compares well, without what changes with every version and says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

Obj = dict[str, Any]

_NOISY_METADATA = ("resourceVersion", "managedFields")
_NOISY_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


class _Dumper(yaml.SafeDumper):
    """Several lines are written as several lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(document: Any) -> str:
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
    return text


def without_noise(obj: Mapping[str, Any]) -> Obj:
    quiet = deepcopy(dict(obj))
    metadata = quiet.get("metadata") or {}
    for key in _NOISY_METADATA:
        metadata.pop(key, None)
    annotations = metadata.get("annotations") or {}
    for key in _NOISY_ANNOTATIONS:
        annotations.pop(key, None)
    if "annotations" in metadata and not annotations:
        del metadata["annotations"]
    return quiet
