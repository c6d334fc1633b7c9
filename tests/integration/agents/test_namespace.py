"""What namespaces get, and how they go."""

from __future__ import annotations

from typing import Any

from agents.client.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS, SECRETS, SERVICEACCOUNTS
from tests.integration.agents.plane import Plane, deployment, pod_spec

Obj = dict[str, Any]


def conditions(namespace: Obj) -> dict[str, str]:
    found: list[Obj] = namespace.get("status", {}).get("conditions", [])
    return {c["type"]: c["message"] for c in found if c["status"] == "True"}


async def has(plane: Plane, *wanted: str) -> bool:
    namespace = await plane.get(NAMESPACES, plane.namespace) or {}
    return set(wanted) <= set(conditions(namespace))


async def test_a_namespace_has_a_default_account_and_the_root_certificate_and_keeps_them(plane: Plane) -> None:
    async def complete() -> bool:
        account = await plane.get(SERVICEACCOUNTS, "default")
        published = await plane.get(CONFIGMAPS, "kube-root-ca.crt")
        return account is not None and published is not None and published.get("data") == {"ca.crt": authority}

    authority = plane.servers.api.pki.ca.read_text()
    await plane.until(complete, what="account and certificate")
    await plane.delete(SERVICEACCOUNTS, "default")
    await plane.patch(CONFIGMAPS, "kube-root-ca.crt", {"data": {"ca.crt": "forged", "more": "x"}})
    await plane.until(complete, what="account and certificate again")
    await plane.delete(CONFIGMAPS, "kube-root-ca.crt")
    await plane.until(complete, what="the certificate again")


async def test_a_namespace_goes_with_all_that_is_in_it_and_pods_go_first(plane: Plane) -> None:
    plane.fleet.lingers = lambda pod: pod["metadata"]["namespace"] == plane.namespace
    await plane.create(DEPLOYMENTS, deployment("web", 2))
    await plane.create(CONFIGMAPS, {"metadata": {"name": "settings"}})
    await plane.create(SECRETS, {"metadata": {"name": "secret"}, "stringData": {"a": "b"}})
    await plane.until_rolled_out("web")
    await plane.delete(NAMESPACES, plane.namespace)

    async def waiting() -> bool:
        return await has(plane, "NamespaceContentRemaining")

    await plane.until(waiting, what="the namespace waits for its pods")
    namespace = await plane.get(NAMESPACES, plane.namespace) or {}
    assert conditions(namespace)["NamespaceContentRemaining"].startswith("Some resources are remaining: pods. has")
    assert await plane.get(CONFIGMAPS, "settings")
    plane.fleet.lingers = lambda pod: False
    for pod in await plane.list(PODS):
        await plane.delete(PODS, pod["metadata"]["name"], grace_period_seconds=0)
    await plane.until_gone(NAMESPACES, plane.namespace)
    for ref in (PODS, CONFIGMAPS, SECRETS, DEPLOYMENTS, SERVICEACCOUNTS):
        assert await plane.list(ref) == []


async def test_what_holds_a_namespace_is_told_and_waited_for(plane: Plane) -> None:
    await plane.create(CONFIGMAPS, {"metadata": {"name": "held", "finalizers": ["example.com/mine"]}})
    await plane.delete(NAMESPACES, plane.namespace)

    async def waiting() -> bool:
        return await has(plane, "NamespaceContentRemaining", "NamespaceFinalizersRemaining")

    await plane.until(waiting, what="the namespace says what holds it")
    namespace = await plane.get(NAMESPACES, plane.namespace) or {}
    assert conditions(namespace)["NamespaceFinalizersRemaining"] == (
        "Some content in the namespace has finalizers remaining: example.com/mine in 1 resource instances"
    )
    await plane.patch(CONFIGMAPS, "held", {"metadata": {"finalizers": None}})
    await plane.until_gone(NAMESPACES, plane.namespace)


async def test_pods_that_were_never_bound_do_not_hold_a_namespace(plane: Plane) -> None:
    plane.fleet.silent.update(plane.fleet.nodes)
    await plane.create(PODS, {"metadata": {"name": "waiting"}, "spec": pod_spec()})
    await plane.delete(NAMESPACES, plane.namespace)
    await plane.until_gone(NAMESPACES, plane.namespace)
