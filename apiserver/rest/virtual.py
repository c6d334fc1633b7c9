"""Kinds that are asked and never stored: the reviews of authentication and authorization, and component statuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.api import status
from apiserver.authn import Authenticator, User
from apiserver.authz import Attributes, Authorizer
from apiserver.rest.call import Call
from apiserver.rest.http import Response, json_response
from apiserver.rest.objectform import list_document

Obj = dict[str, Any]
Health = Callable[[], Awaitable[dict[str, str]]]


class Virtual:
    """`serves` says whether a resource is one of these; `serve` answers it."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, health: Health) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._health = health
        self._handlers: dict[str, Callable[[Call], Obj]] = {
            "selfsubjectreviews": self._self_review,
            "selfsubjectaccessreviews": self._self_access,
            "subjectaccessreviews": self._access,
            "localsubjectaccessreviews": self._access,
            "selfsubjectrulesreviews": self._rules,
            "tokenreviews": self._token,
        }

    def serves(self, plural: str) -> bool:
        return plural in self._handlers or plural == "componentstatuses"

    async def serve(self, call: Call) -> Response:
        plural = call.endpoint.resource.plural
        if plural == "componentstatuses":
            return await self._components(call)
        if call.request.info.verb != "create":
            raise status.MethodNotAllowed(
                "the server does not allow this method on the requested resource",
                group=call.endpoint.resource.group,
                kind=plural,
            )
        review = self._handlers[plural](call)
        review["metadata"] = {**review.get("metadata", {}), "creationTimestamp": None}
        return call.answer_document(review, code=201)

    def _self_review(self, call: Call) -> Obj:
        review = call.decode()
        review["status"] = {"userInfo": call.user.to_user_info()}
        return review

    def _self_access(self, call: Call) -> Obj:
        review = call.decode()
        review["status"] = self._decide(call.user, review.get("spec", {}), review)
        return review

    def _access(self, call: Call) -> Obj:
        review = call.decode()
        spec = review.get("spec", {})
        if not spec.get("user") and not spec.get("groups"):
            raise _invalid(call, 'spec.user: Invalid value: "": at least one of user or group must be specified')
        user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups", ())))
        review["status"] = self._decide(user, spec, review)
        return review

    def _decide(self, user: User, spec: Obj, review: Obj) -> Obj:
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if bool(resource) == bool(path):
            raise status.Invalid(
                f'{review.get("kind", "")} "" is invalid: spec.resourceAttributes: Invalid value: exactly one of '
                "nonResourceAttributes or resourceAttributes must be specified"
            )
        if path:
            asked = Attributes(user=user, verb=path.get("verb", ""), path=path.get("path", "/"))
        else:
            r: Obj = resource or {}
            asked = Attributes(
                user=user,
                verb=r.get("verb", ""),
                group=r.get("group", ""),
                version=r.get("version", ""),
                resource=r.get("resource", ""),
                subresource=r.get("subresource", ""),
                namespace=r.get("namespace", ""),
                name=r.get("name", ""),
            )
        decision = self._authorizer.authorize(asked)
        answer: Obj = {"allowed": decision.allowed}
        if decision.reason:
            answer["reason"] = decision.reason
        return answer

    def _rules(self, call: Call) -> Obj:
        review = call.decode()
        namespace = review.get("spec", {}).get("namespace", "")
        if not namespace:
            raise status.BadRequest("no namespace on request")
        resources, paths = self._authorizer.rules_for(call.user, namespace)
        review["status"] = {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}
        return review

    def _token(self, call: Call) -> Obj:
        review = call.decode()
        token = review.get("spec", {}).get("token", "")
        if not token:
            raise status.BadRequest("token is required for TokenReview in authentication")
        user = self._authenticator.review(token)
        review["status"] = {"authenticated": True, "user": user.to_user_info()} if user else {"authenticated": False}
        review["spec"] = {k: v for k, v in review["spec"].items() if k != "token"}
        return review

    async def _components(self, call: Call) -> Response:
        items = [_component(name, why) for name, why in (await self._health()).items()]
        call.warnings.append("v1 ComponentStatus is deprecated in v1.19+")
        if call.name:
            for item in items:
                if item["metadata"]["name"] == call.name:
                    return call.answer_document(item)
            raise status.not_found("componentstatuses", "", call.name)
        return listing(call, items)


def listing(call: Call, items: list[Obj]) -> Response:
    """A list of documents in the form that the client asked for."""
    document = list_document(call, items, {"resourceVersion": "0"})
    response = json_response(document, as_yaml=call.accepted.yaml)
    call.add_warnings(response)
    return response


def _component(name: str, why: str) -> Obj:
    condition = {"type": "Healthy", "status": "False" if why else "True", "message": why or "ok"}
    return {
        "apiVersion": "v1",
        "kind": "ComponentStatus",
        "metadata": {"name": name, "creationTimestamp": None},
        "conditions": [condition],
    }


def _invalid(call: Call, why: str) -> status.Invalid:
    return status.Invalid(f'{call.endpoint.kind} "" is invalid: {why}', kind=call.endpoint.kind)
