"""The question and the answer of authorization, and the words of a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from apiserver.api.status import Forbidden, qualified
from apiserver.authn.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked for. Either a resource, or (with `path`) something that is not one."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """`pods/log`: how rules name a subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    reason: str = ""


class Authorizer(Protocol):
    """Pure and quick: it is on the path of every request."""

    def authorize(self, attributes: Attributes) -> Decision: ...

    def rules_for(self, user: User, namespace: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What the user may do in a namespace: (resource rules, non-resource rules) for SelfSubjectRulesReview."""
        ...


def refusal(attributes: Attributes, reason: str = "") -> Forbidden:
    """The 403 that kube-apiserver gives for the same question. What it quotes of the request is escaped for HTML."""
    a = attributes
    why = f": {reason}" if reason else ""
    if a.path:
        told = f'User "{a.user.name}" cannot {a.verb} path "{a.path}"'
        return Forbidden(f"forbidden: {_escaped(told)}{why}")
    place = f'in the namespace "{a.namespace}"' if a.namespace else "at the cluster scope"
    told = f'User "{a.user.name}" cannot {a.verb} resource "{a.full_resource}" in API group "{a.group}" {place}'
    shown = qualified(a.resource, a.group)
    named = f'{shown} "{a.name}"' if a.name else shown
    return Forbidden(
        f"{named} is forbidden: {_escaped(told)}{why}",
        group=a.group,
        kind=a.resource,
        name=a.name,
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
