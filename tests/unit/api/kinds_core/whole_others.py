"""Good objects of the kinds outside the core group, and of volumes."""

from __future__ import annotations

from typing import Any

from apiserver.api.kinds import (
    admissionpolicy,
    apiservice,
    certificatesigningrequest,
    componentstatus,
    csi,
    customresourcedefinition,
    dynamicresources,
    flowcontrol,
    ingress,
    ingressclass,
    networkpolicy,
    persistentvolume,
    persistentvolumeclaim,
    rbac,
    runtimeclass,
    servicecidr,
    storageclass,
    volumeattachment,
    volumeattributesclass,
    webhookconfiguration,
)
from apiserver.api.kinds.base import KindRules
from tests.unit.api.kinds_core.objects import a_node, an_object, encoded

PEM = "-----BEGIN CERTIFICATE REQUEST-----\nTUlJ\n-----END CERTIFICATE REQUEST-----\n"
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}
SUBJECTS = [
    {"kind": "ServiceAccount", "name": "a", "namespace": "b"},
    {"kind": "User", "name": "c", "apiGroup": "rbac.authorization.k8s.io"},
    {"kind": "Group", "name": "d"},
]
SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}
WRITES = {"operations": ["CREATE"], "apiGroups": ["a"], "apiVersions": ["v1"], "resources": ["b", "b/status"]}
HOOK = {
    "name": "a.b.c",
    "rules": [WRITES],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"service": {"name": "a", "namespace": "b", "path": "/c/d", "port": 443}},
    "matchConditions": [{"name": "a", "expression": "true"}],
    "namespaceSelector": SELECTOR,
    "timeoutSeconds": 3,
}
MATCH = {"resourceRules": [WRITES], "excludeResourceRules": [WRITES], "objectSelector": SELECTOR}
POLICY = {
    "matchConstraints": MATCH,
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    "matchConditions": [{"name": "a", "expression": "true"}],
    "variables": [{"name": "a", "expression": "1"}],
}
BINDING = {
    "policyName": "a",
    "paramRef": {"name": "a", "namespace": "b", "parameterNotFoundAction": "Deny"},
    "matchResources": MATCH,
}
TERMS = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
ROLE_REF = {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}


def named(name: str, **fields: Any) -> dict[str, Any]:
    made = a_node(**fields)
    made["metadata"]["name"] = name
    return made


OTHERS: list[tuple[KindRules, dict[str, Any]]] = [
    (rbac.ROLE, an_object(rules=[RULE])),
    (
        rbac.CLUSTER_ROLE,
        a_node(
            rules=[RULE, {"nonResourceURLs": ["/a"], "verbs": ["get"]}],
            aggregationRule={"clusterRoleSelectors": [SELECTOR]},
        ),
    ),
    (rbac.ROLE_BINDING, an_object(roleRef=ROLE_REF, subjects=SUBJECTS)),
    (rbac.CLUSTER_ROLE_BINDING, a_node(roleRef=ROLE_REF, subjects=SUBJECTS)),
    (
        persistentvolume.RULES,
        a_node(
            spec={
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
                "storageClassName": "fast",
                "volumeAttributesClassName": "gold",
                "nodeAffinity": {"required": TERMS},
                "claimRef": {"namespace": "a", "name": "b"},
                "csi": {"driver": "a.b", "volumeHandle": "h"},
            },
            status={"phase": "Bound", "reason": "r"},
        ),
    ),
    (
        persistentvolumeclaim.RULES,
        an_object(
            spec={
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "fast",
                "volumeAttributesClassName": "gold",
                "selector": SELECTOR,
                "volumeName": "v",
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "a"},
                "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "a"},
            },
            status={"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]},
        ),
    ),
    (
        storageclass.RULES,
        a_node(
            provisioner="a.b/c",
            parameters={"a": "b"},
            allowVolumeExpansion=True,
            allowedTopologies=[{"matchLabelExpressions": [{"key": "a", "values": ["b", "c"]}]}],
        ),
    ),
    (volumeattributesclass.RULES, a_node(driverName="a.b", parameters={"a": "b"})),
    (
        csi.DRIVER,
        a_node(
            spec={
                "tokenRequests": [{"audience": "a", "expirationSeconds": 600}],
                "volumeLifecycleModes": ["Persistent", "Ephemeral"],
                "nodeAllocatableUpdatePeriodSeconds": 10,
            }
        ),
    ),
    (
        csi.NODE,
        a_node(spec={"drivers": [{"name": "a.b", "nodeID": "n", "topologyKeys": ["z"], "allocatable": {"count": 1}}]}),
    ),
    (csi.CAPACITY, an_object(storageClassName="fast", capacity="1Gi", maximumVolumeSize="1Gi", nodeTopology=SELECTOR)),
    (
        volumeattachment.RULES,
        a_node(
            spec={"attacher": "a.b", "source": {"persistentVolumeName": "v"}, "nodeName": "n"},
            status={"attached": True},
        ),
    ),
    (
        ingress.RULES,
        an_object(
            spec={
                "ingressClassName": "c",
                "defaultBackend": {"resource": {"apiGroup": "a.b", "kind": "K", "name": "n"}},
                "rules": [
                    {
                        "host": "*.example.com",
                        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]},
                    }
                ],
                "tls": [{"hosts": ["a.example.com"], "secretName": "s"}],
            },
            status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "hostname": "a.b"}]}},
        ),
    ),
    (
        ingressclass.RULES,
        a_node(
            spec={
                "controller": "a.b/c",
                "parameters": {"apiGroup": "a.b", "kind": "K", "name": "n", "scope": "Namespace", "namespace": "d"},
            }
        ),
    ),
    (
        networkpolicy.RULES,
        an_object(
            spec={
                "podSelector": SELECTOR,
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{"podSelector": SELECTOR, "namespaceSelector": {}}], "ports": [{"port": "web"}]}],
                "egress": [
                    {
                        "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                        "ports": [{"protocol": "UDP", "port": 1, "endPort": 2}],
                    }
                ],
            }
        ),
    ),
    (servicecidr.RANGE, a_node(spec={"cidrs": ["10.96.0.0/16", "fd00::/112"]})),
    (
        servicecidr.ADDRESS,
        named("10.96.0.1", spec={"parentRef": {"group": "a.b", "resource": "services", "namespace": "c", "name": "d"}}),
    ),
    (
        certificatesigningrequest.RULES,
        a_node(
            spec={
                "request": encoded(PEM),
                "signerName": "example.com/a",
                "usages": ["client auth"],
                "expirationSeconds": 600,
                "username": "u",
            },
            status={"conditions": [{"type": "Approved"}, {"type": "Failed"}], "certificate": encoded("x")},
        ),
    ),
    (webhookconfiguration.VALIDATING, a_node(webhooks=[HOOK])),
    (
        webhookconfiguration.MUTATING,
        a_node(webhooks=[{**HOOK, "clientConfig": {"url": "https://a.b/c"}, "reinvocationPolicy": "IfNeeded"}]),
    ),
    (admissionpolicy.VALIDATING, a_node(spec={**POLICY, "validations": [{"expression": "true"}]})),
    (admissionpolicy.MUTATING, a_node(spec={**POLICY, "mutations": [{"patchType": "JSONPatch"}]})),
    (admissionpolicy.VALIDATING_BINDING, a_node(spec={**BINDING, "validationActions": ["Deny", "Audit"]})),
    (admissionpolicy.MUTATING_BINDING, a_node(spec=BINDING)),
    (
        customresourcedefinition.RULES,
        named(
            "widgets.example.com",
            spec={
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
                ],
                "conversion": {
                    "strategy": "Webhook",
                    "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://a.b"}},
                },
            },
        ),
    ),
    (
        apiservice.RULES,
        named(
            "v1.example.com",
            spec={
                "group": "example.com",
                "version": "v1",
                "groupPriorityMinimum": 1,
                "versionPriority": 1,
                "service": {"namespace": "a", "name": "b"},
                "caBundle": encoded("x"),
            },
            status={"conditions": [{"type": "Available", "status": "False", "reason": "Missing"}]},
        ),
    ),
    (
        runtimeclass.RULES,
        a_node(
            handler="sim",
            overhead={"podFixed": {"cpu": "1m"}},
            scheduling={"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}]},
        ),
    ),
    (
        flowcontrol.SCHEMA,
        a_node(
            spec={
                "matchingPrecedence": 10,
                "distinguisherMethod": {"type": "ByUser"},
                "priorityLevelConfiguration": {"name": "a"},
                "rules": [
                    {
                        "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": "a"}}],
                        "resourceRules": [
                            {"verbs": ["get"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["a"]}
                        ],
                        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                    }
                ],
            },
            status={"conditions": [{"type": "Dangling", "status": "False"}]},
        ),
    ),
    (
        flowcontrol.LEVEL,
        a_node(spec={"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"queues": 64}}}}),
    ),
    (
        dynamicresources.CLAIM,
        an_object(
            spec={"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "c"}}]}},
            status={"allocation": {}, "reservedFor": [{"name": "p"}]},
        ),
    ),
    (
        dynamicresources.TEMPLATE,
        an_object(spec={"spec": {"devices": {"requests": [{"name": "a", "firstAvailable": [{"name": "b"}]}]}}}),
    ),
    (dynamicresources.CLASS, a_node(spec={})),
    (dynamicresources.SLICE, a_node(spec={"nodeName": "n", "driver": "d", "pool": {"name": "p"}})),
    (
        componentstatus.RULES,
        a_node(conditions=[{"type": "Healthy", "status": "True", "message": "ok", "error": ""}]),
    ),
]
