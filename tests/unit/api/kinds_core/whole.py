"""One good object of each kind, with as many of its fields as may stand together."""

from __future__ import annotations

from typing import Any

from apiserver.api.kinds import configmap, event, lease, namespace, node, secret, service, serviceaccount
from apiserver.api.kinds.base import KindRules
from tests.unit.api.kinds_core.objects import a_node, a_service, an_object, encoded

TIME = "2026-01-02T11:59:00Z"
REFERENCE = {"kind": "Pod", "name": "a", "namespace": "default", "uid": "u", "apiVersion": "v1", "fieldPath": "spec"}

WHOLE: list[tuple[KindRules, dict[str, Any]]] = [
    (namespace.RULES, a_node(spec={"finalizers": ["kubernetes", "a.b/c"]}, status={"phase": "Active"})),
    (
        node.RULES,
        a_node(
            spec={
                "podCIDR": "10.0.0.0/24",
                "podCIDRs": ["10.0.0.0/24", "fd00::/64"],
                "providerID": "p",
                "taints": [{"key": "a/b", "value": "c", "effect": "NoExecute", "timeAdded": TIME}],
                "unschedulable": True,
            },
            status={
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "capacity": {"cpu": "2", "memory": "1Gi", "pods": "110", "a.b/c": "1"},
                "allocatable": {"cpu": "1"},
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": TIME}],
                "nodeInfo": {"kubeletVersion": "v1", "osImage": "x"},
            },
        ),
    ),
    (configmap.RULES, an_object(data={"a": "b"}, binaryData={"c": encoded("d")}, immutable=True)),
    (
        secret.RULES,
        an_object(data={".dockercfg": encoded("{}")}, type="kubernetes.io/dockercfg", immutable=True),
    ),
    (
        serviceaccount.RULES,
        an_object(secrets=[{"name": "a"}], imagePullSecrets=[{"name": "b"}], automountServiceAccountToken=True),
    ),
    (
        lease.RULES,
        an_object(spec={"holderIdentity": "a", "leaseDurationSeconds": 1, "leaseTransitions": 1, "renewTime": TIME}),
    ),
    (
        service.RULES,
        a_service(
            {"name": "a", "port": 80, "protocol": "TCP", "targetPort": "web", "nodePort": 30000, "appProtocol": "a/b"},
            {"name": "b", "port": 81, "targetPort": 81, "nodePort": 30001},
            type="LoadBalancer",
            selector={"a": "b"},
            clusterIP="10.96.0.1",
            clusterIPs=["10.96.0.1"],
            ipFamilies=["IPv4"],
            ipFamilyPolicy="PreferDualStack",
            externalIPs=["192.0.2.1"],
            externalTrafficPolicy="Local",
            internalTrafficPolicy="Local",
            healthCheckNodePort=30002,
            loadBalancerSourceRanges=["10.0.0.0/8"],
            loadBalancerClass="a/b",
            sessionAffinity="ClientIP",
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": 1}},
            trafficDistribution="PreferClose",
        ),
    ),
    (
        event.RULES,
        an_object(
            involvedObject=REFERENCE,
            eventTime=TIME,
            reason="R",
            action="A",
            type="Normal",
            message="m",
            reportingComponent="a/b",
            reportingInstance="c",
            source={"component": "d", "host": "e"},
            firstTimestamp=TIME,
            lastTimestamp=TIME,
            count=2,
            series={"count": 2, "lastObservedTime": TIME},
        ),
    ),
    (
        event.NEW_RULES,
        an_object(
            regarding=REFERENCE,
            related=REFERENCE,
            eventTime=TIME,
            reason="R",
            action="A",
            type="Warning",
            note="m",
            reportingController="a/b",
            reportingInstance="c",
            series={"count": 2, "lastObservedTime": TIME},
        ),
    ),
]
