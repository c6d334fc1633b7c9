"""One operation: an HTTP method on a path, as the registry's verbs allow it.

Operation ids are upstream's, since client generators make method names of them: `readAppsV1NamespacedDeploymentScale`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apiserver.api.openapi import parameters
from apiserver.api.openapi.schemas import reference
from apiserver.api.resources import GroupVersionKind, Resource, Subresource

Operation = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DELETE_OPTIONS = _META + "DeleteOptions"
PATCH = _META + "Patch"
STATUS = _META + "Status"
WATCH_EVENT = _META + "WatchEvent"

PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
BODY_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_ANSWER_TYPES = ("application/json", "application/yaml")
_WATCH_TYPES = (*_ANSWER_TYPES, "application/json;stream=watch")
_CODES = {200: "OK", 201: "Created", 202: "Accepted"}

_RETURNS_DELETED = frozenset(
    {
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
    }
)
"""Resources whose DELETE answers the object; the others answer a Status."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the operations of one path are about: a resource, or one subresource of it."""

    resource: Resource
    subresource: Subresource | None = None
    all_namespaces: bool = False

    @property
    def gvk(self) -> GroupVersionKind:
        sub = self.subresource
        return (sub.group, sub.version, sub.kind) if sub else self.resource.gvk

    @property
    def definition(self) -> str:
        return self.subresource.definition if self.subresource else self.resource.definition

    @property
    def list_definition(self) -> str:
        return self.resource.definition + "List"

    @property
    def scope(self) -> str:
        return "Namespaced" if self.resource.namespaced and not self.all_namespaces else ""

    @property
    def everywhere(self) -> str:
        return "ForAllNamespaces" if self.all_namespaces else ""

    @property
    def suffix(self) -> str:
        """`Status`, `Scale`: what a subresource adds to the operation's id."""
        return self.subresource.name.capitalize() if self.subresource else ""

    def what(self, article: str) -> str:
        """`the specified Pod`, `status of the specified Pod`."""
        named = f"{article} {self.resource.kind}"
        return f"{self.subresource.name} of {named}" if self.subresource else named


def group_id(group: str, version: str) -> str:
    """How operation ids write a version: `CoreV1`, `RbacAuthorizationV1`, `FlowcontrolApiserverV1`."""
    return "".join(part.capitalize() for part in _labels(group)) + version.capitalize()


def tag(group: str, version: str) -> str:
    """How tags write it: `core_v1`, `rbacAuthorization_v1`."""
    first, *rest = _labels(group)
    return f"{first}{''.join(part.capitalize() for part in rest)}_{version}"


def _labels(group: str) -> list[str]:
    return (group or "core").removesuffix(".k8s.io").split(".")


def get(target: Target) -> Operation:
    if target.subresource and target.subresource.name == "log":
        return _log(target)
    return _operation(
        target,
        "get",
        operation_id=_id(target, "read"),
        description=f"read {target.what('the specified')}",
        responses=_answers(target.definition, 200),
    )


def _log(target: Target) -> Operation:
    return _operation(
        target,
        "get",
        operation_id=_id(target, "read"),
        description=f"read {target.what('the specified')}",
        query=parameters.LOG,
        responses={"200": _response("OK", {"type": "string"}, ("text/plain",))},
    )


def list_(target: Target) -> Operation:
    watchable = "watch" in target.resource.verbs
    types = _WATCH_TYPES if watchable else _ANSWER_TYPES
    return _operation(
        target,
        "list",
        operation_id=_id(target, "list") + target.everywhere,
        description=f"list {'or watch ' if watchable else ''}objects of kind {target.resource.kind}",
        query=(*parameters.LIST, *(parameters.WATCH if watchable else ())),
        responses={"200": _response("OK", reference(target.list_definition), types)},
    )


def watch_list(target: Target) -> Operation:
    kind = target.resource.kind
    return _watch(
        target,
        "watchlist",
        operation_id=f"watch{_version(target)}{target.scope}{kind}List{target.everywhere}",
        description=f"watch changes to a list of {kind}. deprecated: list with the parameter 'watch' instead.",
    )


def watch(target: Target) -> Operation:
    return _watch(
        target,
        "watch",
        operation_id=_id(target, "watch"),
        description=f"watch changes to one {target.resource.kind}. deprecated: list with the parameters 'watch' and "
        "'fieldSelector' instead.",
    )


def _watch(target: Target, action: str, *, operation_id: str, description: str) -> Operation:
    return _operation(
        target,
        action,
        operation_id=operation_id,
        description=description,
        query=(*parameters.LIST, *parameters.WATCH),
        responses={"200": _response("OK", reference(WATCH_EVENT), _WATCH_TYPES)},
    )


def create(target: Target) -> Operation:
    return _operation(
        target,
        "post",
        operation_id=_id(target, "create"),
        description=f"create {target.what('a')}",
        query=parameters.WRITE,
        body=_body(target.definition, BODY_TYPES),
        responses=_answers(target.definition, 200, 201, 202),
    )


def replace(target: Target) -> Operation:
    return _operation(
        target,
        "put",
        operation_id=_id(target, "replace"),
        description=f"replace {target.what('the specified')}",
        query=parameters.WRITE,
        body=_body(target.definition, BODY_TYPES),
        responses=_answers(target.definition, 200, 201),
    )


def patch(target: Target) -> Operation:
    return _operation(
        target,
        "patch",
        operation_id=_id(target, "patch"),
        description=f"partially update {target.what('the specified')}",
        query=parameters.WRITE,
        body=_body(PATCH, PATCH_TYPES),
        responses=_answers(target.definition, 200, 201),
    )


def delete(target: Target) -> Operation:
    resource = target.resource
    returned = resource.definition if (resource.group, resource.plural) in _RETURNS_DELETED else STATUS
    return _operation(
        target,
        "delete",
        operation_id=_id(target, "delete"),
        description=f"delete {target.what('a')}",
        query=parameters.DELETE,
        body=_body(DELETE_OPTIONS, BODY_TYPES, required=False),
        responses=_answers(returned, 200, 202),
    )


def delete_collection(target: Target) -> Operation:
    return _operation(
        target,
        "deletecollection",
        operation_id=f"delete{_version(target)}Collection{target.scope}{target.resource.kind}",
        description=f"delete collection of {target.resource.kind}",
        query={*parameters.DELETE, *parameters.LIST},
        body=_body(DELETE_OPTIONS, BODY_TYPES, required=False),
        responses=_answers(STATUS, 200),
    )


def document_operation(definition: str, *, operation_id: str, description: str, tags: list[str]) -> Operation:
    """GET of a document that names no object: discovery, the version."""
    return {
        "description": description,
        "operationId": operation_id,
        "responses": {**_answers(definition, 200), **_unauthorized()},
        "tags": tags,
    }


def _operation(
    target: Target,
    action: str,
    *,
    operation_id: str,
    description: str,
    responses: dict[str, Any],
    query: Iterable[str] = (),
    body: dict[str, Any] | None = None,
) -> Operation:
    group, version, kind = target.gvk
    operation: Operation = {
        "description": description,
        "operationId": operation_id,
        "responses": {**responses, **_unauthorized()},
        "tags": [tag(target.resource.group, target.resource.version)],
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }
    taken = parameters.query(query)
    if taken:
        operation["parameters"] = taken
    if body:
        operation["requestBody"] = body
    return operation


def _id(target: Target, verb: str) -> str:
    return f"{verb}{_version(target)}{target.scope}{target.resource.kind}{target.suffix}"


def _version(target: Target) -> str:
    return group_id(target.resource.group, target.resource.version)


def _body(definition: str, types: Iterable[str], *, required: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = {"content": {media: {"schema": reference(definition)} for media in types}}
    return {**body, "required": True} if required else body


def _answers(definition: str, *codes: int) -> dict[str, Any]:
    return {str(code): _response(_CODES[code], reference(definition), _ANSWER_TYPES) for code in codes}


def _response(description: str, schema: dict[str, Any], types: Iterable[str]) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema} for media in types}}


def _unauthorized() -> dict[str, Any]:
    return {"401": {"description": "Unauthorized"}}
