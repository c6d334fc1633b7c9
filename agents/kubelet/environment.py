"""A container's environment: what its pod declares, in order, and the little that a process needs.

Later entries win over earlier ones, `env` wins over `envFrom`; a value may refer by `$(NAME)` to what stands before
it. Beside the declared variables there are HOSTNAME, PATH and, because there is no mount namespace, one
`BACKBEAT_VOLUME_<NAME>` for each mount: where that volume's directory is on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.kubelet.downward import NoSuchField, PodFacts, pod_field, resource_field
from agents.kubelet.expand import expand
from agents.kubelet.runtime import Mount
from agents.kubelet.sources import SourceMissing, Sources

Obj = dict[str, Any]

STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")


class EnvironmentRefused(Exception):
    """A variable cannot be given its value. The message is shown to users (CreateContainerConfigError)."""


@dataclass(frozen=True, slots=True)
class Environment:
    """`declared` is what `$(NAME)` may refer to; `all` is what the process gets."""

    declared: dict[str, str]
    all: tuple[tuple[str, str], ...]


async def environment(
    container: Obj, *, facts: PodFacts, sources: Sources, mounts: Sequence[Mount], hostname: str, path: str
) -> Environment:
    """Raises EnvironmentRefused."""
    declared = {volume_variable(m.name): m.host_path for m in reversed(mounts)}
    try:
        for origin in container.get("envFrom") or ():
            declared |= await _from(origin, sources)
        for variable in container.get("env") or ():
            value = await _value(variable, container, facts, sources, declared)
            if value is not None:
                declared[variable["name"]] = value
    except (SourceMissing, NoSuchField) as err:
        raise EnvironmentRefused(str(err)) from err
    basis = {"PATH": path or STANDARD_PATH, "HOSTNAME": hostname}
    return Environment(declared, tuple((basis | declared).items()))


def volume_variable(volume: str) -> str:
    return "BACKBEAT_VOLUME_" + _NOT_IN_NAMES.sub("_", volume.upper())


async def _from(origin: Obj, sources: Sources) -> dict[str, str]:
    for key, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        ref = origin.get(key)
        if ref is not None:
            data = await sources.data(resource, ref.get("name") or "", optional=bool(ref.get("optional")))
            prefix = origin.get("prefix") or ""
            return {prefix + k: _text(v) for k, v in sorted((data or {}).items())}
    return {}


async def _value(
    variable: Obj, container: Obj, facts: PodFacts, sources: Sources, declared: dict[str, str]
) -> str | None:
    """None: an optional key that is not there; the variable is left out."""
    origin = variable.get("valueFrom")
    if origin is None:
        return expand(variable.get("value") or "", declared)
    if "fieldRef" in origin:
        return pod_field(facts, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        return resource_field(
            facts, _resource_owner(origin["resourceFieldRef"], container, facts), origin["resourceFieldRef"]
        )
    for key, resource, title in (
        ("configMapKeyRef", "configmaps", "ConfigMap"),
        ("secretKeyRef", "secrets", "Secret"),
    ):
        if key in origin:
            return await _key(origin[key], resource, title, facts, sources)
    raise EnvironmentRefused(f"the source of variable {variable['name']} is not supported: {', '.join(origin)}")


def _resource_owner(ref: Obj, container: Obj, facts: PodFacts) -> Obj:
    name = ref.get("containerName")
    if not name or name == container.get("name"):
        return container
    spec = facts.pod["spec"]
    for other in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        if other["name"] == name:
            found: Obj = other
            return found
    raise NoSuchField(f"container {name} not found")


async def _key(ref: Obj, resource: str, title: str, facts: PodFacts, sources: Sources) -> str | None:
    optional = bool(ref.get("optional"))
    data = await sources.data(resource, ref.get("name") or "", optional=optional)
    value = (data or {}).get(ref["key"])
    if value is not None:
        return _text(value)
    if optional:
        return None
    namespace = facts.pod["metadata"]["namespace"]
    raise EnvironmentRefused(f"couldn't find key {ref['key']} in {title} {namespace}/{ref.get('name')}")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
