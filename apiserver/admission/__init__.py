"""Admission: what is decided about a write by looking at other objects, after defaulting and before validation.

A plugin is one file that makes a `Plugin` and one line in `PLUGINS`. Plugins run in that order, mutating ones first by
their place in the list; the built-in ones are those that upstream enables and that this server has the parts for.
"""

from __future__ import annotations

from apiserver.admission.base import Attributes, Chain, Lookup, Plugin
from apiserver.admission.certificate_requester import CertificateRequester
from apiserver.admission.cluster_ip import ClusterIP
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.pod_defaults import PodDefaults
from apiserver.admission.priority import Priority
from apiserver.admission.subscriptions import SubscriptionAdmission

__all__ = ["Attributes", "Chain", "Lookup", "Plugin", "SubscriptionAdmission", "chain"]


def chain(lookup: Lookup, *, service_cluster_ip_range: str, subscriptions: SubscriptionAdmission) -> Chain:
    """The plugins of a server, in order."""
    return Chain(
        [
            NamespaceLifecycle(lookup),
            PodDefaults(lookup),
            Priority(lookup),
            ClusterIP(lookup, service_cluster_ip_range),
            CertificateRequester(),
            subscriptions,
            NodeRestriction(),
        ]
    )
