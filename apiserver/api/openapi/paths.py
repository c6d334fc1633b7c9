"""The paths of one resource, and on each the operations that the resource's verbs allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apiserver.api.openapi import operations, parameters
from apiserver.api.openapi.operations import Operation, Target
from apiserver.api.openapi.schemas import has_definition
from apiserver.api.resources import Resource, Subresource

PathItem = dict[str, Any]
_Makers = Mapping[str, tuple[str, Callable[[Target], Operation]]]

_COLLECTION: _Makers = {
    "list": ("get", operations.list_),
    "create": ("post", operations.create),
    "deletecollection": ("delete", operations.delete_collection),
}
_OBJECT: _Makers = {
    "get": ("get", operations.get),
    "update": ("put", operations.replace),
    "patch": ("patch", operations.patch),
    "delete": ("delete", operations.delete),
}
_SUBRESOURCE: _Makers = {**_OBJECT, "create": ("post", operations.create)}


def of_resource(resource: Resource) -> Iterator[tuple[str, PathItem]]:
    """Every path of the resource and of its subresources; none without an operation."""
    for path, item in _items(resource):
        if item.keys() - {"parameters"}:
            yield path, item


def _items(resource: Resource) -> Iterator[tuple[str, PathItem]]:
    prefix = prefix_of(resource.group, resource.version)
    inside = "namespaces/{namespace}/" if resource.namespaced else ""
    plural, target = resource.plural, Target(resource)
    collection, named = f"{inside}{plural}", f"{inside}{plural}/{{name}}"
    yield f"{prefix}/{collection}", _collection(target, _COLLECTION)
    yield f"{prefix}/{named}", _object(target, resource.verbs, _OBJECT)
    for sub in filter(_is_described, resource.subresources.values()):
        yield f"{prefix}/{named}/{sub.name}", _object(Target(resource, sub), sub.verbs, _SUBRESOURCE)
    everywhere = Target(resource, all_namespaces=True)
    if resource.namespaced:
        yield f"{prefix}/{plural}", _collection(everywhere, {"list": _COLLECTION["list"]})
    if "watch" in resource.verbs:
        yield f"{prefix}/watch/{collection}", {"get": operations.watch_list(target), **_parameters(target)}
        yield f"{prefix}/watch/{named}", {"get": operations.watch(target), **_parameters(target, named=True)}
        if resource.namespaced:
            yield f"{prefix}/watch/{plural}", {"get": operations.watch_list(everywhere), **_parameters(everywhere)}


def _is_described(sub: Subresource) -> bool:
    """Streams (exec, attach, portforward, proxy) take no object: upstream defines no kind for them."""
    return has_definition(sub.definition)


def prefix_of(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _collection(target: Target, makers: _Makers) -> PathItem:
    return {**_operations(target, target.resource.verbs, makers), **_parameters(target)}


def _object(target: Target, verbs: tuple[str, ...], makers: _Makers) -> PathItem:
    return {**_operations(target, verbs, makers), **_parameters(target, named=True)}


def _operations(target: Target, verbs: tuple[str, ...], makers: _Makers) -> PathItem:
    return {method: make(target) for verb, (method, make) in makers.items() if verb in verbs}


def _parameters(target: Target, *, named: bool = False) -> PathItem:
    kind = target.gvk[2] if named else ""
    return {"parameters": parameters.of_path(kind=kind, namespaced=bool(target.scope))}
