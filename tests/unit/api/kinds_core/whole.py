"""One good object of each kind, with as many of its fields as may stand together."""

from __future__ import annotations

from typing import Any

from apiserver.api.kinds import (
    configmap,
    endpoints,
    endpointslice,
    event,
    lease,
    limitrange,
    namespace,
    node,
    resourcequota,
    secret,
    service,
    serviceaccount,
)
from apiserver.api.kinds.base import KindRules
from tests.unit.api.kinds_core.objects import a_node, a_service, an_object, encoded
from tests.unit.api.kinds_core.whole_others import OTHERS

TIME = "2026-01-02T11:59:00Z"
MICRO_TIME = "2026-01-02T11:59:00.000000Z"
REFERENCE = {"kind": "Pod", "name": "a", "namespace": "default", "uid": "u", "apiVersion": "v1", "fieldPath": "spec"}

CORE: list[tuple[KindRules, dict[str, Any]]] = [
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
        an_object(
            spec={"holderIdentity": "a", "leaseDurationSeconds": 1, "leaseTransitions": 1, "renewTime": MICRO_TIME}
        ),
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
            eventTime=MICRO_TIME,
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
            series={"count": 2, "lastObservedTime": MICRO_TIME},
        ),
    ),
    (
        event.NEW_RULES,
        an_object(
            regarding=REFERENCE,
            related=REFERENCE,
            eventTime=MICRO_TIME,
            reason="R",
            action="A",
            type="Warning",
            note="m",
            reportingController="a/b",
            reportingInstance="c",
            series={"count": 2, "lastObservedTime": MICRO_TIME},
        ),
    ),
    (
        endpoints.RULES,
        an_object(
            subsets=[
                {
                    "addresses": [{"ip": "10.0.0.1", "hostname": "a", "nodeName": "n", "targetRef": REFERENCE}],
                    "notReadyAddresses": [{"ip": "fd00::1"}],
                    "ports": [
                        {"name": "a", "port": 80},
                        {"name": "b", "port": 81, "protocol": "UDP", "appProtocol": "c"},
                    ],
                }
            ]
        ),
    ),
    (
        endpointslice.RULES,
        an_object(
            addressType="IPv4",
            endpoints=[
                {
                    "addresses": ["10.0.0.1"],
                    "hostname": "a",
                    "nodeName": "n",
                    "conditions": {"ready": True},
                    "deprecatedTopology": {"a": "b"},
                    "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]},
                }
            ],
            ports=[{"name": "a", "port": 80, "protocol": "TCP", "appProtocol": "c"}],
        ),
    ),
    (
        resourcequota.RULES,
        an_object(
            spec={
                "hard": {"pods": "10", "requests.cpu": "4", "limits.memory": "1Gi"},
                "scopes": ["NotTerminating"],
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]
                },
            },
            status={"hard": {"pods": "10", "limits.memory": "1Gi"}, "used": {"pods": "1"}},
        ),
    ),
    (
        limitrange.RULES,
        an_object(
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "max": {"cpu": "4"},
                        "min": {"cpu": "1"},
                        "default": {"cpu": "3"},
                        "defaultRequest": {"cpu": "2"},
                        "maxLimitRequestRatio": {"cpu": "2"},
                    },
                    {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
                ]
            }
        ),
    ),
]
WHOLE = CORE + OTHERS
