"""The resources that agents speak of, and their paths."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """One resource in one version."""

    group: str
    version: str
    resource: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


PODS = ResourceRef("", "v1", "pods", "Pod")
NODES = ResourceRef("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = ResourceRef("", "v1", "namespaces", "Namespace", namespaced=False)
EVENTS = ResourceRef("", "v1", "events", "Event")
SERVICES = ResourceRef("", "v1", "services", "Service")
CONFIGMAPS = ResourceRef("", "v1", "configmaps", "ConfigMap")
SECRETS = ResourceRef("", "v1", "secrets", "Secret")
SERVICEACCOUNTS = ResourceRef("", "v1", "serviceaccounts", "ServiceAccount")
REPLICATIONCONTROLLERS = ResourceRef("", "v1", "replicationcontrollers", "ReplicationController")
DEPLOYMENTS = ResourceRef("apps", "v1", "deployments", "Deployment")
REPLICASETS = ResourceRef("apps", "v1", "replicasets", "ReplicaSet")
STATEFULSETS = ResourceRef("apps", "v1", "statefulsets", "StatefulSet")
DAEMONSETS = ResourceRef("apps", "v1", "daemonsets", "DaemonSet")
JOBS = ResourceRef("batch", "v1", "jobs", "Job")
LEASES = ResourceRef("coordination.k8s.io", "v1", "leases", "Lease")
PRIORITYCLASSES = ResourceRef("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)

SUBSCRIPTIONS = ResourceRef("broker.backbeat.dev", "v1", "subscriptions", "Subscription", namespaced=False)


def path(ref: ResourceRef, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL path. A namespaced resource without a namespace means all of them."""
    parts = ["", "apis", ref.group, ref.version] if ref.group else ["", "api", ref.version]
    if ref.namespaced and namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(ref.resource)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)
