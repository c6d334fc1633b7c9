"""Which paths there are, and what may be asked of each: 404 where there is no such path, 405 where it has other verbs.

The paths of a resource, as upstream registers them:

    collection            list, watch, create, deletecollection; across all namespaces list and watch only
    object                get, update, patch, delete
    subresource           the verbs of the subresource
    watch/…               the old form of a watch, of a collection or of one object
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from apiserver.api.resources import Resource
from apiserver.api.status import MethodNotAllowed, NotFound
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.request import RequestInfo

_COLLECTION = frozenset({"list", "watch", "create", "deletecollection"})
_ALL_NAMESPACES = frozenset({"list", "watch"})
_OBJECT = frozenset({"get", "update", "patch", "delete"})
_WATCH = frozenset({"watch"})
_NOWHERE: frozenset[str] = frozenset()


def no_such_path() -> NotFound:
    return NotFound("the server could not find the requested resource")


def not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource")


def route(endpoints: Endpoints, info: RequestInfo, method: str) -> Endpoint:
    """The endpoint of a request. Raises NotFound, MethodNotAllowed."""
    endpoint = endpoints.find(info.group, info.version, info.resource)
    verbs = _verbs_of_path(endpoint.resource, info) if endpoint is not None else _NOWHERE
    if endpoint is None or not verbs:
        raise no_such_path()
    if info.verb not in verbs or method == "HEAD" or (info.watch_path and method != "GET"):
        raise not_allowed()
    return endpoint


def _verbs_of_path(resource: Resource, info: RequestInfo) -> AbstractSet[str]:
    """Empty where there is no such path."""
    if not _in_scope(resource, info):
        return _NOWHERE
    if info.watch_path:
        return _WATCH & set(resource.verbs) if not info.subresource else _NOWHERE
    if info.subresource:
        below = resource.subresources.get(info.subresource)
        return set(below.verbs) if below is not None else _NOWHERE
    if info.name:
        return _OBJECT & set(resource.verbs)
    everywhere = resource.namespaced and not info.in_namespace
    return (_ALL_NAMESPACES if everywhere else _COLLECTION) & set(resource.verbs)


def _in_scope(resource: Resource, info: RequestInfo) -> bool:
    """Whether the path names a namespace exactly where the resource lives in one."""
    if resource.namespaced:
        return info.in_namespace or not info.name
    return not info.in_namespace
