"""Services and workloads, for one question: which pods are replicas of the same thing as this one?

Upstream: `helper.DefaultSelector`. Pods that nothing selects have no such others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from agents.scheduler.podinfo import Template
from apiserver.api.selectors import LabelSelector, SelectorError

Obj = Mapping[str, Any]

SERVICE = ("v1", "Service")
OWNERS = frozenset((("v1", "ReplicationController"), ("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet")))


class _Place(NamedTuple):
    api_version: str
    kind: str
    namespace: str
    name: str


class Workloads:
    def __init__(self) -> None:
        self._owners: dict[_Place, LabelSelector] = {}
        self._services: dict[str, dict[str, LabelSelector]] = {}
        self._memo: WeakKeyDictionary[Template, LabelSelector] = WeakKeyDictionary()

    def set(self, api_version: str, kind: str, obj: Obj) -> None:
        """A Service, ReplicationController, ReplicaSet or StatefulSet, added or changed."""
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        selector = _selector(kind, obj.get("spec") or {})
        if selector is None:
            self.remove(api_version, kind, namespace, name)
        elif (api_version, kind) == SERVICE:
            held = self._services.setdefault(namespace, {})
            self._put(held, name, selector)
        else:
            self._put(self._owners, _Place(api_version, kind, namespace, name), selector)

    def remove(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        if (api_version, kind) == SERVICE:
            gone = self._services.get(namespace, {}).pop(name, None)
        else:
            gone = self._owners.pop(_Place(api_version, kind, namespace, name), None)
        if gone is not None:
            self._memo.clear()

    def _put(self, held: dict[Any, LabelSelector], key: Any, selector: LabelSelector) -> None:
        if held.get(key) != selector:
            held[key] = selector
            self._memo.clear()

    def selector(self, template: Template) -> LabelSelector:
        """What selects this pod and its like; an empty selector when nothing does."""
        found = self._memo.get(template)
        if found is None:
            found = self._memo[template] = self._find(template)
        return found

    def _find(self, template: Template) -> LabelSelector:
        wanted = {
            requirement
            for selector in self._services.get(template.namespace, {}).values()
            if selector.matches(template.labels)
            for requirement in selector.requirements
        }
        owner = template.owner
        if owner is not None:
            place = _Place(owner.api_version, owner.kind, template.namespace, owner.name)
            wanted.update(self._owners[place].requirements if place in self._owners else ())
        return LabelSelector(list(wanted))


def _selector(kind: str, spec: Obj) -> LabelSelector | None:
    """None for what selects nothing."""
    selector = spec.get("selector")
    if not selector:
        return None
    if kind in ("Service", "ReplicationController"):
        return LabelSelector.from_labels(selector)
    try:
        return LabelSelector.from_object(selector)
    except SelectorError:
        return None
