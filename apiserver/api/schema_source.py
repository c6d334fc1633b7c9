"""Upstream's OpenAPI definitions as data, out of the PyPI package `kubernetes-validate`; ours beside them.

The file is read once, at the first use (about 15 ms); after that everything is a lookup. Nothing is changed in what
was read, and nobody may change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources as package_data
from importlib.resources.abc import Traversable
from typing import Any

import orjson

RELEASE = "1.36"
"""The Kubernetes release whose API is served."""
REF = "#/$defs/"

Raw = Mapping[str, Any]


class DefinitionsMissing(RuntimeError):
    """The installed `kubernetes-validate` has no definitions of the release; install one that has."""


class UnknownDefinition(KeyError):
    """There is no OpenAPI definition of that name."""


@lru_cache(maxsize=1)
def definitions() -> dict[str, dict[str, Any]]:
    """Every definition by its name. Raises DefinitionsMissing."""
    folder = package_data.files("kubernetes_validate").joinpath("kubernetes-json-schema")
    file = folder.joinpath(f"v{RELEASE}.0-local", "_definitions.json")
    if not file.is_file():
        raise DefinitionsMissing(
            f"kubernetes-validate has no definitions of Kubernetes {RELEASE} (it has {_releases(folder)}): "
            f"install kubernetes-validate>={RELEASE}"
        )
    found: dict[str, dict[str, Any]] = orjson.loads(file.read_bytes())["$defs"]
    own = package_data.files("apiserver.api").joinpath("data/broker-v1.json").read_bytes()
    return {**found, **orjson.loads(own)}


def _releases(folder: Traversable) -> str:
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith("-local")) if folder.is_dir() else []
    return ", ".join(n.removesuffix("-local") for n in names) or "none"


@lru_cache(maxsize=1)
def definitions_by_gvk() -> dict[tuple[str, str, str], str]:
    """(group, version, kind) → name, lists and options included. Kinds of every group, such as DeleteOptions, name
    one definition."""
    found: dict[tuple[str, str, str], str] = {}
    for name, raw in definitions().items():
        for gvk in raw.get("x-kubernetes-group-version-kind", ()):
            found[(gvk["group"], gvk["version"], gvk["kind"])] = name
    return found
