"""What every namespace has: the account `default`, and the authority that signs the API server's certificate.

Upstream: pkg/controller/serviceaccount and pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agents.client.outcome import Done, Outcome
from agents.client.resources import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from apiserver.api.status import AlreadyExists, Forbidden, NotFound

Obj = dict[str, Any]

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = "kubernetes.io/description"
_DESCRIBED = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class ServiceAccountController:
    name = "serviceaccount"

    def __init__(self, agent: Agent) -> None:
        self._rest = agent.rest
        self._namespaces = agent.informer(NAMESPACES)
        self._accounts = agent.informer(SERVICEACCOUNTS)

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NAMESPACES: _namespace, SERVICEACCOUNTS: _namespace_of(ACCOUNT)}

    async def reconcile(self, key: Key) -> Outcome:
        namespace = self._namespaces.get("", key.name)
        if namespace is None or p.is_terminating(namespace) or self._accounts.get(key.name, ACCOUNT):
            return Done()
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": key.name}}
        try:
            self._accounts.learn(await self._rest.create(SERVICEACCOUNTS, account, namespace=key.name))
        except AlreadyExists:
            return Done()
        except (NotFound, Forbidden) as err:
            if not _is_going(err):
                raise
        return Done()


class RootCaController:
    """Publishes the authority that this process itself trusts."""

    name = "root-ca"

    def __init__(self, agent: Agent) -> None:
        self._rest = agent.rest
        self._ca = agent.rest.config.ca_data.decode()
        self._namespaces = agent.informer(NAMESPACES)
        self._maps = agent.informer(CONFIGMAPS)

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NAMESPACES: _namespace, CONFIGMAPS: _namespace_of(ROOT_CA)}

    async def reconcile(self, key: Key) -> Outcome:
        namespace = self._namespaces.get("", key.name)
        if not self._ca or namespace is None or p.is_terminating(namespace):
            return Done()
        present = self._maps.get(key.name, ROOT_CA)
        if present is None:
            await self._create(key.name)
        elif present.get("data") != {"ca.crt": self._ca}:
            self._maps.learn(await self._rest.update(CONFIGMAPS, {**present, "data": {"ca.crt": self._ca}}))
        return Done()

    async def _create(self, namespace: str) -> None:
        made = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": ROOT_CA, "namespace": namespace, "annotations": {_DESCRIPTION: _DESCRIBED}},
            "data": {"ca.crt": self._ca},
        }
        try:
            self._maps.learn(await self._rest.create(CONFIGMAPS, made, namespace=namespace))
        except (NotFound, Forbidden) as err:
            if not _is_going(err):
                raise


def _is_going(error: NotFound | Forbidden) -> bool:
    """The namespace is gone, or about to be: it needs nothing more."""
    return isinstance(error, NotFound) or any(c.reason == "NamespaceTerminating" for c in error.causes)


def _namespace(delta: Delta) -> Iterable[Key]:
    yield Key("", delta.object["metadata"]["name"])


def _namespace_of(name: str) -> Callable[[Delta], Iterable[Key]]:
    """The namespaces whose object of that name changed."""

    def keys(delta: Delta) -> Iterable[Key]:
        meta = delta.object["metadata"]
        if meta["name"] == name:
            yield Key("", meta["namespace"])

    return keys
