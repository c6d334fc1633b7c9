"""What an admission plugin gets and how plugins are chained."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from apiserver.api.status import Forbidden, qualified
from apiserver.authn import User
from apiserver.rest.endpoint import Endpoint
from apiserver.store.base import StoredResource

Obj = dict[str, Any]
Operation = Literal["CREATE", "UPDATE", "DELETE"]


@dataclass(slots=True, kw_only=True)
class Attributes:
    """One write. `obj` may be changed in place; `old` may not. For DELETE `obj` is None."""

    operation: Operation
    endpoint: Endpoint
    subresource: str
    namespace: str
    name: str
    user: User
    obj: Obj | None
    old: Obj | None = None


class Lookup(Protocol):
    """Reads of other objects: from the cache, so possibly some milliseconds old, but never a miss for what exists."""

    async def lookup(
        self, resource: StoredResource, namespace: str, name: str, *, live: bool = False
    ) -> Mapping[str, Any] | None:
        """`live`: as it is now, whatever that costs."""
        ...

    @property
    def catch_up(self) -> Callable[[], Awaitable[None]]:
        """Wait until reads show everything that was committed before now."""
        ...

    def each(self, resource: StoredResource, namespace: str = "") -> Iterable[Mapping[str, Any]]: ...


class Plugin(Protocol):
    """Raises Forbidden (or another StatusError) to refuse."""

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        """Asked once for each combination, so that a plugin costs nothing where it has nothing to say."""
        ...

    async def admit(self, attributes: Attributes) -> None: ...


class Chain:
    """Runs the plugins that handle a write."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = plugins
        self._chosen: dict[tuple[str, str, str, str, str], tuple[Plugin, ...]] = {}

    async def admit(self, attributes: Attributes) -> None:
        resource = attributes.endpoint.resource
        key = (resource.group, resource.version, resource.plural, attributes.subresource, attributes.operation)
        chosen = self._chosen.get(key)
        if chosen is None:
            a = attributes
            chosen = tuple(p for p in self._plugins if p.handles(a.endpoint, a.subresource, a.operation))
            self._chosen[key] = chosen
        for plugin in chosen:
            await plugin.admit(attributes)


def refuse(attributes: Attributes, why: str) -> Forbidden:
    """`pods "web" is forbidden: why`."""
    resource = attributes.endpoint.resource
    return Forbidden(
        f'{qualified(resource.plural, resource.group)} "{attributes.name}" is forbidden: {why}',
        group=resource.group,
        kind=resource.plural,
        name=attributes.name,
    )
