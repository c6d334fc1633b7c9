"""Every namespace has the account `default`.

Upstream: pkg/controller/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agents.client.outcome import Done, Outcome
from agents.client.resources import NAMESPACES, SERVICEACCOUNTS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from apiserver.api.status import AlreadyExists, NotFound

ACCOUNT = "default"


class ServiceAccountController:
    name = "serviceaccount"

    def __init__(self, agent: Agent) -> None:
        self._rest = agent.rest
        self._namespaces = agent.informer(NAMESPACES)
        self._accounts = agent.informer(SERVICEACCOUNTS)

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NAMESPACES: _namespace, SERVICEACCOUNTS: _namespace_of_account}

    async def reconcile(self, key: Key) -> Outcome:
        namespace = self._namespaces.get("", key.name)
        if namespace is None or p.is_terminating(namespace) or self._accounts.get(key.name, ACCOUNT):
            return Done()
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": key.name}}
        try:
            self._accounts.learn(await self._rest.create(SERVICEACCOUNTS, account, namespace=key.name))
        except (AlreadyExists, NotFound):
            return Done()
        return Done()


def _namespace(delta: Delta) -> Iterable[Key]:
    yield Key("", delta.object["metadata"]["name"])


def _namespace_of_account(delta: Delta) -> Iterable[Key]:
    if delta.new is None and delta.object["metadata"]["name"] == ACCOUNT:
        yield Key("", delta.object["metadata"]["namespace"])
