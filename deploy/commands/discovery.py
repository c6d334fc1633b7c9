"""Resources by the names that people give them, as kubectl finds them: asked from the server's discovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from agents.client.transport import Transport
from deploy.errors import UserError

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A resource in the preferred version of its group."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: frozenset[str]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Empty namespace: all of them."""
        root = ["apis", self.group, self.version] if self.group else ["api", self.version]
        within = ["namespaces", namespace] if self.namespaced and namespace else []
        parts = [*root, *within, self.plural, *([name] if name else [])]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def shown(self, name: str) -> str:
        """`pod/web`, `deployment.apps/web`."""
        return f"{self.singular}.{self.group}/{name}" if self.group else f"{self.singular}/{name}"


class Catalogue:
    """What a server serves, in the order of its discovery."""

    def __init__(self, resources: Sequence[Known]) -> None:
        self._resources = tuple(resources)

    @classmethod
    async def ask(cls, transport: Transport) -> Catalogue:
        """Raises StatusError."""
        found: list[Known] = []
        for path in ("/api", "/apis"):
            document = await transport.read(path, headers={"Accept": AGGREGATED})
            for group in document["items"]:
                found += _preferred(group)
        return cls(found)

    def find(self, text: str) -> Known:
        """Raises UserError."""
        word, _, where = text.lower().partition(".")
        for one in self._resources:
            names = (one.plural, one.singular, one.kind.lower(), *one.short_names)
            if word in names and where in ("", one.group, f"{one.version}.{one.group}"):
                return one
        raise UserError(f'the server doesn\'t have a resource type "{text}"')

    def find_all(self, text: str) -> list[Known]:
        """`pods,deploy`; a category such as `all` stands for what belongs to it. Raises UserError."""
        found: dict[Known, None] = {}
        for one in text.split(","):
            category = [known for known in self._resources if one in known.categories and "list" in known.verbs]
            found |= dict.fromkeys(category or [self.find(one)])
        return list(found)

    def within(self, group: str, plural: str) -> list[Known]:
        """Those that can be listed and watched. `*` as the plural: all of the group; as the group too: everything."""
        return [
            one
            for one in self._resources
            if {"list", "watch"} <= one.verbs and group in ("*", one.group) and plural in ("*", one.plural)
        ]


def _preferred(group: dict[str, Any]) -> list[Known]:
    name = group["metadata"].get("name", "")
    version = group["versions"][0]
    return [
        Known(
            group=name,
            version=version["version"],
            plural=one["resource"],
            singular=one.get("singularResource") or one["responseKind"]["kind"].lower(),
            kind=one["responseKind"]["kind"],
            namespaced=one["scope"] == "Namespaced",
            verbs=frozenset(one["verbs"]),
            short_names=tuple(one.get("shortNames") or ()),
            categories=tuple(one.get("categories") or ()),
        )
        for one in version["resources"]
    ]
