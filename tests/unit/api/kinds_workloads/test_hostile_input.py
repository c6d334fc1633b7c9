"""Whatever is missing, empty or absurd in an object of the right types, the rules answer with complaints."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds import (
    cronjob,
    daemonset,
    deployment,
    horizontalpodautoscaler,
    job,
    pod,
    poddisruptionbudget,
    replicaset,
    replicationcontroller,
    statefulset,
)
from apiserver.api.kinds.base import KindRules
from apiserver.api.quantity import NotAQuantity
from apiserver.api.status import Invalid
from tests.unit.api.kinds_workloads.mutants import mutants
from tests.unit.api.kinds_workloads.objects import NOW, workload
from tests.unit.api.kinds_workloads.objects import pod as a_pod

PROBE = {"httpGet": {"path": "/", "port": "http", "httpHeaders": [{"name": "X-A", "value": "b"}]}, "periodSeconds": 3}
MAIN = {
    "name": "main",
    "image": "nginx:1",
    "ports": [{"name": "http", "containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
    "env": [
        {"name": "A", "value": "b"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}},
        {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "D", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}],
    "volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "x", "mountPropagation": "None"}],
    "volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}],
    "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}},
    "livenessProbe": PROBE,
    "readinessProbe": {"exec": {"command": ["true"]}},
    "startupProbe": {"grpc": {"port": 90}},
    "lifecycle": {"preStop": {"sleep": {"seconds": 1}}, "postStart": {"exec": {"command": ["x"]}}},
    "securityContext": {"runAsUser": 1, "capabilities": {"add": ["X"]}, "seccompProfile": {"type": "Unconfined"}},
    "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
}
TERM = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}, "namespaces": ["n"]}
SPEC: dict[str, Any] = {
    "containers": [MAIN],
    "initContainers": [{"name": "side", "image": "x", "restartPolicy": "Always", "livenessProbe": PROBE}],
    "volumes": [
        {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "disk", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "host", "hostPath": {"path": "/x", "type": "File"}},
        {"name": "cert", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p", "mode": 256}]}},
        {
            "name": "all",
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"path": "t", "expirationSeconds": 600}},
                    {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                    {"configMap": {"name": "m", "items": [{"key": "k", "path": "q"}]}},
                    {"clusterTrustBundle": {"name": "n", "path": "b"}},
                ]
            },
        },
    ],
    "securityContext": {"fsGroup": 1, "supplementalGroups": [1], "sysctls": [{"name": "net.a", "value": "1"}]},
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
                        "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}],
                    }
                ]
            }
        },
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [TERM],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": TERM}],
        },
    },
    "tolerations": [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 1}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 1}
    ],
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
    "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a.b"], "options": [{"name": "x"}]},
    "readinessGates": [{"conditionType": "a/b"}],
    "schedulingGates": [{"name": "a/b"}],
    "resources": {"limits": {"cpu": "9", "memory": "9Gi"}},
    "resourceClaims": [{"name": "r", "resourceClaimName": "c"}],
    "os": {"name": "linux"},
    "overhead": {"cpu": "1m"},
    "serviceAccountName": "robot",
    "terminationGracePeriodSeconds": 30,
}
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}
ENDING = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
EXPRESSIONS = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]}
METRIC = {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}}
SCALING = {"stabilizationWindowSeconds": 1, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 1}]}
FAILURE = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [1]}},
        {"action": "Ignore", "onPodConditions": [{"type": "X", "status": "True"}]},
    ]
}

WHOLE: list[tuple[KindRules, dict[str, Any]]] = [
    (pod.RULES, a_pod(**SPEC)),
    (
        deployment.RULES,
        workload("Deployment", selector=EXPRESSIONS, template=TEMPLATE, strategy={"rollingUpdate": {"maxSurge": 1}}),
    ),
    (replicaset.RULES, workload("ReplicaSet", replicas=1)),
    (daemonset.RULES, workload("DaemonSet", updateStrategy={"rollingUpdate": {"maxSurge": "1%"}})),
    (
        statefulset.RULES,
        workload(
            "StatefulSet",
            serviceName="s",
            ordinals={"start": 1},
            updateStrategy={"rollingUpdate": {"partition": 1, "maxUnavailable": 1}},
            volumeClaimTemplates=[{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        ),
    ),
    (replicationcontroller.RULES, workload("ReplicationController", "v1", selector={"app": "web"})),
    (
        job.RULES,
        workload(
            "Job",
            selector={"matchLabels": {"a": "b"}},
            template=ENDING,
            completionMode="Indexed",
            completions=3,
            backoffLimitPerIndex=1,
            maxFailedIndexes=1,
            podFailurePolicy=FAILURE,
            successPolicy={"rules": [{"succeededCount": 1}]},
        ),
    ),
    (
        cronjob.RULES,
        {
            "metadata": {"name": "c"},
            "spec": {"schedule": "@daily", "timeZone": "UTC", "jobTemplate": {"spec": {"template": ENDING}}},
        },
    ),
    (
        horizontalpodautoscaler.RULES,
        {
            "metadata": {"name": "h"},
            "spec": {
                "maxReplicas": 3,
                "scaleTargetRef": {"kind": "K", "name": "n"},
                "metrics": [METRIC],
                "behavior": {"scaleUp": SCALING, "scaleDown": SCALING},
            },
        },
    ),
    (
        poddisruptionbudget.RULES,
        {"metadata": {"name": "b"}, "spec": {"minAvailable": "1%", "selector": EXPRESSIONS}},
    ),
]


@pytest.mark.parametrize(("rules", "whole"), WHOLE, ids=[rules.kind for rules, _ in WHOLE])
def test_no_missing_empty_or_absurd_part_breaks_the_rules(rules: KindRules, whole: dict[str, Any]) -> None:
    old = copy.deepcopy(whole)
    rules.default(old)
    assert rules.row is not None
    for spec in mutants(whole["spec"]):
        new = copy.deepcopy({**whole, "spec": spec})
        try:
            rules.default(new)
            rules.prepare_create(new)
            rules.validate(new)
            rules.validate_update(new, old)
        except (Invalid, NotAQuantity):
            # The schema refuses what is no quantity before the rules see it.
            continue
        rules.row(new, NOW)


@pytest.mark.parametrize(("rules", "whole"), WHOLE, ids=[rules.kind for rules, _ in WHOLE])
def test_an_update_that_changes_nothing_is_welcome(rules: KindRules, whole: dict[str, Any]) -> None:
    made = copy.deepcopy(whole)
    rules.default(made)
    rules.prepare_create(made)
    again = copy.deepcopy(made)
    rules.default(again)
    rules.prepare_update(again, made)
    assert again == made
    assert rules.validate_update(again, made) == []


def test_the_whole_objects_are_good_ones() -> None:
    rules, whole = WHOLE[0]
    made = copy.deepcopy(whole)
    made["spec"]["containers"][0]["volumeDevices"] = []
    rules.default(made)
    rules.prepare_create(made)
    assert [str(e) for e in rules.validate(made)] == []
