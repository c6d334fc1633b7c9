"""Kinds that are asked and never stored: the reviews of authentication and authorization, and component statuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from apiserver.api import status
from apiserver.api.fielderrors import FieldError, invalid, invalid_value
from apiserver.authn import Authenticator, User
from apiserver.authz import Attributes, Authorizer
from apiserver.rest import strategy
from apiserver.rest.call import Call
from apiserver.rest.http import Response
from apiserver.rest.objectform import list_document

Obj = dict[str, Any]
Health = Callable[[], Awaitable[dict[str, str]]]

_LOCAL = "LocalSubjectAccessReview"


class Virtual:
    """`serves` says whether a resource is one of these; `serve` answers it."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, health: Health) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._health = health
        self._answers: dict[str, Callable[[Call, Obj], Obj]] = {
            "selfsubjectreviews": self._self_review,
            "selfsubjectaccessreviews": self._self_access,
            "subjectaccessreviews": self._access,
            "localsubjectaccessreviews": self._access,
            "selfsubjectrulesreviews": self._rules,
            "tokenreviews": self._token,
        }

    def serves(self, plural: str) -> bool:
        return plural in self._answers or plural == "componentstatuses"

    async def serve(self, call: Call) -> Response:
        plural = call.endpoint.resource.plural
        if plural == "componentstatuses":
            return await self._components(call)
        call.check_options("CreateOptions")
        review = call.decode()
        strategy.place(call.endpoint, review, call.namespace)
        review["status"] = self._answers[plural](call, review)
        return call.answer_document(review, code=201)

    def _self_review(self, call: Call, review: Obj) -> Obj:
        return {"userInfo": call.user.to_user_info()}

    def _self_access(self, call: Call, review: Obj) -> Obj:
        spec = review.get("spec", {})
        _refuse(call, _target_errors(spec))
        return self._decide(call.user, spec)

    def _access(self, call: Call, review: Obj) -> Obj:
        spec = review.get("spec", {})
        errors = _target_errors(spec)
        if not spec.get("user") and not spec.get("groups"):
            errors.append(invalid_value("spec.user", "", "at least one of user or group must be specified"))
        if call.endpoint.kind == _LOCAL:
            errors += _local_errors(spec, call.namespace)
        _refuse(call, errors)
        return self._decide(User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups", ()))), spec)

    def _decide(self, user: User, spec: Obj) -> Obj:
        decision = self._authorizer.authorize(_asked(user, spec))
        return (
            {"allowed": decision.allowed, "reason": decision.reason}
            if decision.reason
            else {"allowed": decision.allowed}
        )

    def _rules(self, call: Call, review: Obj) -> Obj:
        namespace = review.get("spec", {}).get("namespace", "")
        if not namespace:
            raise status.BadRequest("no namespace on request")
        resources, paths = self._authorizer.rules_for(call.user, namespace)
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}

    def _token(self, call: Call, review: Obj) -> Obj:
        token = review.get("spec", {}).get("token", "")
        if not token:
            raise status.BadRequest("token is required for TokenReview in authentication")
        del review["spec"]["token"]  # it need not travel back
        user = self._authenticator.review(token)
        return {"authenticated": True, "user": user.to_user_info()} if user else {"authenticated": False}

    async def _components(self, call: Call) -> Response:
        items = [_component(name, why) for name, why in (await self._health()).items()]
        if not call.name:
            return Response(orjson.dumps(list_document(call, items, {"resourceVersion": "0"})))
        for item in items:
            if item["metadata"]["name"] == call.name:
                return call.answer_document(item)
        raise status.not_found("componentstatuses", "", call.name)


def _asked(user: User, spec: Obj) -> Attributes:
    path: Obj | None = spec.get("nonResourceAttributes")
    if path is not None:
        return Attributes(user=user, verb=path.get("verb", ""), path=path.get("path", "/"))
    fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    resource: Obj = spec["resourceAttributes"]
    return Attributes(user=user, **{field: resource.get(field, "") for field in fields})


def _target_errors(spec: Obj) -> list[FieldError]:
    """A review asks about a resource or about a path."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        told = "cannot be specified in combination with resourceAttributes"
        return [invalid_value("spec.nonResourceAttributes", path, told)]
    if resource is None and path is None:
        told = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid_value("spec.resourceAttributes", None, told)]
    return []


def _local_errors(spec: Obj, namespace: str) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if path is not None:
        return [invalid_value("spec.nonResourceAttributes", path, "disallowed on this kind of request")]
    asked = (resource or {}).get("namespace", "")
    if resource is not None and asked != namespace:
        return [invalid_value("spec.resourceAttributes.namespace", asked, "must match metadata.namespace")]
    return []


def _refuse(call: Call, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(call.endpoint.kind, call.endpoint.resource.group, "", errors)


def _component(name: str, why: str) -> Obj:
    condition = {"type": "Healthy", "status": "False" if why else "True", "message": why or "ok"}
    return {"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": name}, "conditions": [condition]}
