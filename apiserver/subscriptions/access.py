"""Who may subscribe: whoever may watch everything that is selected, asked again each time it matters."""

from __future__ import annotations

from apiserver.authn import User
from apiserver.authz import Attributes, Authorizer
from apiserver.authz.base import refusal
from broker.selection import Selection


class Access:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def check(self, user: User, selection: Selection) -> None:
        """Raises Forbidden that names the first resource which the user may not watch."""
        for one in selection.resources:
            question = Attributes(
                user=user,
                verb="watch",
                group=one.group,
                resource=one.resource,
                namespace=selection.namespace,
                name=one.name,
            )
            decision = self._authorizer.authorize(question)
            if not decision.allowed:
                raise refusal(question, decision.reason)
