"""Which kind a body claims to be, and whether it may stand where it was sent. The words are upstream's."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.api.gotext import quoted
from apiserver.api.resources import Resource
from apiserver.api.schema_source import definitions_by_gvk

_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
"""Upstream's messages name the source line of their table of kinds."""
_LIST = ("", "v1", "List")
"""The kind of what clients gather; OpenAPI does not have it."""
_INTERNAL_PACKAGES = {"": "core", "events.k8s.io": "core"}
"""The Go package of a group's internal types, where it is not the group's first label."""


class NotAGroupVersion(ValueError):
    """apiVersion has more than one slash."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The kind of a body, with what it leaves out taken from the URL."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def claim(api_version: str, kind: str, resource: Resource) -> Claim:
    """Raises NotAGroupVersion."""
    group, version = _split(api_version)
    if not version and group in ("", resource.group):
        group, version = resource.group, resource.version
    return Claim(group, version, kind or resource.kind)


def _split(api_version: str) -> tuple[str, str]:
    if api_version.count("/") > 1:
        raise NotAGroupVersion(f"unexpected GroupVersion string: {api_version}")
    group, _, version = api_version.rpartition("/")
    return group, version


def unfit(claimed: Claim, resource: Resource) -> str:
    """Why an object of this kind can't be decoded into the resource's; empty where it can."""
    gvk = (claimed.group, claimed.version, claimed.kind)
    if gvk not in definitions_by_gvk() and gvk not in (resource.gvk, _LIST):
        named = f"no kind {quoted(claimed.kind)} is registered for version {quoted(claimed.api_version)}"
        return f'{named} in scheme "{_SCHEME}"'
    ours, theirs = _internal(resource.group, resource.kind), _internal(claimed.group, claimed.kind)
    if ours == theirs:
        return ""
    return f"converting ({claimed.version}.{claimed.kind}) to ({ours}): unknown conversion"


def _internal(group: str, kind: str) -> str:
    """`core.Pod`: the type to which every version of a kind is converted."""
    package = _INTERNAL_PACKAGES.get(group) or group.partition(".")[0]
    return f"{package}.{kind}"


def other_version(claimed: Claim, resource: Resource) -> str:
    """The complaint about another version of the right kind; empty where the version is right."""
    if claimed.api_version == resource.api_version:
        return ""
    return (
        f"the API version in the data ({claimed.api_version}) does not match the expected API version "
        f"({resource.api_version})"
    )
