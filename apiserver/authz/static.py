"""Fixed rules: `system:masters` may do everything, each agent what its work needs, everyone else may look at discovery.

A rule names verbs, groups and resources the way an RBAC PolicyRule does, so that the same table can be published as
ClusterRoles. Nodes are held to their own objects by admission (`apiserver.admission.node_restriction`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.authn.user import AUTHENTICATED, MASTERS, UNAUTHENTICATED, User
from apiserver.authz.base import Attributes, Decision

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch")
ALL = ("*",)


@dataclass(frozen=True, slots=True)
class Rule:
    """`*` stands for all. `resources` may name subresources (`pods/status`, `*/scale`)."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()

    def allows(self, a: Attributes) -> bool:
        if "*" not in self.verbs and a.verb not in self.verbs:
            return False
        if a.path:
            return any(a.path == p or (p.endswith("*") and a.path.startswith(p[:-1])) for p in self.paths)
        if "*" not in self.groups and a.group not in self.groups:
            return False
        return (
            "*" in self.resources
            or a.full_resource in self.resources
            or (bool(a.subresource) and f"*/{a.subresource}" in self.resources)
        )

    def to_dict(self) -> dict[str, Any]:
        if self.paths:
            return {"verbs": sorted(self.verbs), "nonResourceURLs": list(self.paths)}
        return {"verbs": sorted(self.verbs), "apiGroups": sorted(self.groups), "resources": sorted(self.resources)}


def _on(groups: Sequence[str], resources: Sequence[str], verbs: Iterable[str]) -> Rule:
    return Rule(frozenset(verbs), frozenset(groups), frozenset(resources))


def _paths(*paths: str) -> Rule:
    return Rule(frozenset({"get"}), paths=paths)


_PUBLIC = (_paths("/healthz", "/livez", "/readyz", "/version", "/version/"),)
_DISCOVERY = (
    _paths("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/healthz", "/livez", "/readyz", "/version"),
    _paths("/backbeat/changes"),  # asks for itself what its caller may watch
    _on(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
    _on(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
)
_EVENTS = _on(["", "events.k8s.io"], ["events"], WRITE)
_SUBSCRIBER = (
    # Which changes, is asked for itself: whoever subscribes must be allowed to watch what the subscription selects.
    _on(["broker.backbeat.dev"], ["subscriptions"], ["create", "get", "update"]),
    _on(["broker.backbeat.dev"], ["subscriptions/credentials"], ["create"]),
)
_LEASES = _on(["coordination.k8s.io"], ["leases"], (*READ, *WRITE, "delete"))

_SCHEDULER = (
    _on([""], ["pods", "nodes", "namespaces", "services", "replicationcontrollers"], READ),
    _on([""], ["persistentvolumeclaims", "persistentvolumes"], READ),
    _on(["apps"], ["replicasets", "statefulsets"], READ),
    _on(["scheduling.k8s.io"], ["priorityclasses"], READ),
    _on(["policy"], ["poddisruptionbudgets"], READ),
    _on(["storage.k8s.io"], ["*"], READ),
    _on([""], ["pods/binding", "bindings"], ["create"]),
    _on([""], ["pods"], ["delete"]),
    _on([""], ["pods/status"], ["update", "patch"]),
    _EVENTS,
    _LEASES,
    *_SUBSCRIBER,
)
_CONTROLLERS = (
    # Garbage collection and namespace removal reach every kind, so reading and removing are not limited.
    _on(["*"], ["*"], (*READ, "delete", "deletecollection")),
    _on(["*"], ["*"], ["update", "patch"]),
    _on([""], ["pods", "serviceaccounts", "endpoints", "configmaps"], ["create"]),
    _on([""], ["pods/eviction"], ["create"]),
    _on(["apps"], ["replicasets", "controllerrevisions"], ["create"]),
    _on(["batch"], ["jobs"], ["create"]),
    _on(["discovery.k8s.io"], ["endpointslices"], ["create"]),
    _EVENTS,
    _LEASES,
    *_SUBSCRIBER,
)
_NODE = (
    _on([""], ["nodes"], (*READ, "create", "update", "patch")),
    _on([""], ["nodes/status"], ["get", "update", "patch"]),
    _on([""], ["pods"], (*READ, "delete")),
    _on([""], ["pods/status"], ["get", "update", "patch"]),
    _on([""], ["configmaps", "secrets", "services", "serviceaccounts"], READ),
    _on(["node.k8s.io"], ["runtimeclasses"], READ),
    _EVENTS,
    _LEASES,
    *_SUBSCRIBER,
)
_BY_USER = {"system:kube-scheduler": _SCHEDULER, "system:kube-controller-manager": _CONTROLLERS}
_BY_GROUP = {"system:nodes": _NODE, AUTHENTICATED: _DISCOVERY + _PUBLIC, UNAUTHENTICATED: _PUBLIC}


class StaticAuthorizer:
    """Rules by user and by group, fixed at build time. Implements `Authorizer`."""

    def authorize(self, attributes: Attributes) -> Decision:
        user = attributes.user
        if MASTERS in user.groups:
            return Decision(True)
        return Decision(any(rule.allows(attributes) for rule in _rules(user)))

    def rules_for(self, user: User, namespace: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if MASTERS in user.groups:
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            return [everything], [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        rules = list(_rules(user))
        return [r.to_dict() for r in rules if not r.paths], [r.to_dict() for r in rules if r.paths]


def _rules(user: User) -> Iterable[Rule]:
    yield from _BY_USER.get(user.name, ())
    for group in user.groups:
        yield from _BY_GROUP.get(group, ())
