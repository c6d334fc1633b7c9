"""What a control plane holds beside what every control plane makes for itself. Pure, but for `made_by_users`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from apiserver.api.status import qualified
from apiserver.bootstrap import NAMESPACES
from apiserver.store.base import Store, StoredResource
from apiserver.subscriptions.spec import SUBSCRIPTIONS

_OWN: Mapping[StoredResource, Callable[[str], bool]] = {
    StoredResource("", "nodes"): lambda name: True,
    StoredResource("", "events"): lambda name: True,
    StoredResource("coordination.k8s.io", "leases"): lambda name: True,
    StoredResource("", "namespaces"): lambda name: name in NAMESPACES,
    StoredResource("scheduling.k8s.io", "priorityclasses"): lambda name: name.startswith("system-"),
    StoredResource("", "serviceaccounts"): lambda name: name == "default",
    StoredResource("", "configmaps"): lambda name: name == "kube-root-ca.crt",
    SUBSCRIPTIONS: lambda name: name in ("controllers", "scheduler") or name.startswith("kubelet"),
}
"""By its name, what the API server, the controllers, the scheduler and kubelets make by themselves."""


def is_own(resource: StoredResource, key: str) -> bool:
    rule = _OWN.get(resource)
    return rule is not None and rule(key.partition("/")[2])


async def made_by_users(store: Store) -> dict[str, int]:
    """How many of each resource. Raises StoreUnavailable."""
    found: Counter[str] = Counter()
    for resource in await store.resources():
        async for batch in store.scan(resource):
            count = sum(not is_own(resource, key) for key, _ in batch)
            if count:
                found[qualified(resource.resource, resource.group)] += count
    return dict(sorted(found.items()))


def in_words(holds: Mapping[str, int]) -> str:
    """`2 deployments.apps, 3 pods`."""
    return ", ".join(f"{count} {resource}" for resource, count in holds.items()) or "nothing of its users"
