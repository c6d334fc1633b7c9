from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.kinds.pod import RULES
from tests.unit.api.kinds_workloads.objects import complaints, container, pod

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

C = "spec.containers[0]"
GOOD: list[dict[str, Any]] = [
    pod(),
    pod(
        containers=[
            container(
                ports=[{"name": "http", "containerPort": 80, "hostPort": 80}],
                env=[{"name": "A"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k.x"}}}],
                envFrom=[{"configMapRef": {"name": "m"}}],
                volumeMounts=[{"name": "data", "mountPath": "/data", "subPath": "a/b"}],
                livenessProbe={"tcpSocket": {"port": "http"}},
                lifecycle={"preStop": {"sleep": {"seconds": 5}}},
                resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2", "example.com/gpu": "1"}},
                securityContext={"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}},
            )
        ],
        initContainers=[
            container(name="side", restartPolicy="Always", readinessProbe={"exec": {"command": ["true"]}}),
            container(name="first"),
        ],
        volumes=[{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
        nodeSelector={"disk": "ssd"},
        tolerations=[{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 3}],
        hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a.example"]}],
        topologySpreadConstraints=[
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"a": "b"}},
            }
        ],
    ),
]


@pytest.mark.parametrize("good", GOOD)
def test_a_good_pod_has_no_complaints(good: dict[str, Any]) -> None:
    assert complaints(RULES, good) == []


CONTAINERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": ""}, [f"{C}.name: Required value"]),
    ({"name": "Bad_Name"}, [f'{C}.name: Invalid value: "Bad_Name": {LABEL}']),
    ({"image": ""}, [f"{C}.image: Required value"]),
    ({"image": " nginx:1"}, [f'{C}.image: Invalid value: " nginx:1": must not have leading or trailing whitespace']),
    (
        {"imagePullPolicy": "Sometimes"},
        [f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    ({"ports": [{"containerPort": 0}]}, [f"{C}.ports[0].containerPort: Required value"]),
    (
        {"ports": [{"containerPort": 70000}]},
        [f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    ),
    (
        {"ports": [{"name": "a", "containerPort": 1}, {"name": "a", "containerPort": 2}]},
        [f'{C}.ports[1].name: Duplicate value: "a"'],
    ),
    (
        {"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]},
        [f'{C}.ports[1].hostPort: Duplicate value: "TCP//9"'],
    ),
    ({"env": [{"name": ""}]}, [f"{C}.env[0].name: Required value"]),
    (
        {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]},
        [
            (
                f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nope": '
                "error converting fieldPath: field label not supported: spec.nope"
            )
        ],
    ),
    ({"volumeMounts": [{"name": "x", "mountPath": "/x"}]}, [f'{C}.volumeMounts[0].name: Not found: "x"']),
    ({"livenessProbe": {}}, [f"{C}.livenessProbe: Required value: must specify a handler type"]),
    (
        {"livenessProbe": {"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}}},
        [f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        {"livenessProbe": {"exec": {"command": ["x"]}, "successThreshold": 2}},
        [f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1"],
    ),
    (
        {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        [f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        {"resources": {"requests": {"cpu": "-1"}}},
        [f'{C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    (
        {"resources": {"requests": {"example.com/gpu": "1"}}},
        [f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"],
    ),
    (
        {"resources": {"limits": {"hugepages-2Mi": "3Mi"}}},
        [
            (
                f'{C}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": quantity must be a multiple of the page '
                "size 2Mi"
            ),
            (
                f'{C}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": quantity must be a multiple of the page '
                "size 2Mi"
            ),
            f"{C}.resources: Forbidden: HugePages require cpu or memory",
        ],
    ),
    (
        {"securityContext": {"runAsUser": -1}},
        [f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
    ),
    (
        {"lifecycle": {"preStop": {"sleep": {"seconds": 99}}}},
        [
            (
                f"{C}.lifecycle.preStop.sleep: Invalid value: 99: must be non-negative and less than "
                "terminationGracePeriodSeconds (30)"
            )
        ],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), CONTAINERS)
def test_a_wrong_container_is_told_what_is_wrong(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(RULES, pod(containers=[container(**fields)])) == expected


AFFINITY = "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"
SPECS: list[tuple[dict[str, Any], list[str]]] = [
    ({"containers": []}, ["spec.containers: Required value"]),
    ({"containers": [container(), container()]}, ['spec.containers[1].name: Duplicate value: "main"']),
    ({"initContainers": [container()]}, ['spec.initContainers[0].name: Duplicate value: "main"']),
    (
        {"initContainers": [container(name="i", livenessProbe={"exec": {"command": ["x"]}})]},
        [
            (
                "spec.initContainers[0].livenessProbe: Forbidden: "
                "may not be set for init containers without restartPolicy=Always"
            )
        ],
    ),
    (
        {"restartPolicy": "Maybe"},
        ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
    ),
    (
        {"dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    ({"hostname": "A"}, [f'spec.hostname: Invalid value: "A": {LABEL}']),
    ({"volumes": [{"name": "a"}, {"name": "a"}]}, ['spec.volumes[1].name: Duplicate value: "a"']),
    (
        {"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    ({"volumes": [{"name": "a", "secret": {}}]}, ["spec.volumes[0].secret.secretName: Required value"]),
    (
        {"volumes": [{"name": "a", "hostPath": {"path": "/x/../y"}}]},
        ["spec.volumes[0].hostPath.path: Invalid value: \"/x/../y\": must not contain '..'"],
    ),
    (
        {"volumes": [{"name": "a", "configMap": {"name": "m", "items": [{"key": "k", "path": "/abs"}]}}]},
        ['spec.volumes[0].configMap.items[0].path: Invalid value: "/abs": must be a relative path'],
    ),
    (
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        ["spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"],
    ),
    (
        {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 1}]},
        [
            (
                'spec.tolerations[0].effect: Invalid value: "NoSchedule": '
                "effect must be 'NoExecute' when `tolerationSeconds` is set"
            )
        ],
    ),
    (
        {
            "affinity": {
                "podAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 101, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                }
            }
        },
        [f"{AFFINITY}.weight: Invalid value: 101: must be in the range 1-100"],
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Never"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            (
                'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": '
                'supported values: "DoNotSchedule", "ScheduleAnyway"'
            ),
        ],
    ),
    (
        {"hostAliases": [{"ip": "300.1.1.1"}]},
        [
            (
                'spec.hostAliases[0].ip: Invalid value: "300.1.1.1": '
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            )
        ],
    ),
    (
        {"schedulingGates": [{"name": "a"}], "nodeName": "n"},
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    (
        {"hostNetwork": True, "containers": [container(ports=[{"containerPort": 1, "hostPort": 2}])]},
        [
            (
                "spec.containers[0].ports[0].hostPort: Invalid value: 2: "
                "must match `containerPort` when `hostNetwork` is true"
            )
        ],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), SPECS)
def test_a_wrong_spec_is_told_what_is_wrong(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(RULES, pod(**spec)) == expected
