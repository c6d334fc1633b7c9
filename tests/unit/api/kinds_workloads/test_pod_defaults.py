from __future__ import annotations

import copy

import pytest

from apiserver.api.kinds._images import default_pull_policy
from apiserver.api.kinds.pod import RULES, add_default_tolerations, qos_class, set_service_account
from apiserver.api.status import Invalid
from tests.unit.api.kinds_workloads.objects import container, created, pod


def test_a_minimal_pod_gets_every_default_of_a_pod() -> None:
    made = created(RULES, pod())
    assert made["spec"] == {
        "containers": [
            {
                "name": "main",
                "image": "nginx:1.27",
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {},
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["metadata"]["generation"] == 1


def test_defaulting_twice_changes_nothing() -> None:
    probe = {"httpGet": {"port": 80}}
    made = pod(
        containers=[container(ports=[{"containerPort": 80}], livenessProbe=probe, resources={"limits": {"cpu": "1"}})],
        volumes=[{"name": "a"}, {"name": "b", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        hostNetwork=True,
    )
    RULES.default(made)
    once = copy.deepcopy(made)
    RULES.default(made)
    assert made == once


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("registry:5000/team/app", "Always"),
        ("registry:5000/team/app:v2", "IfNotPresent"),
        ("app@sha256:" + "a" * 64, "IfNotPresent"),
        ("", "IfNotPresent"),
        ("Not Valid", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def test_requests_default_to_limits_in_a_pod() -> None:
    made = created(RULES, pod(containers=[container(resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}})]))
    resources = made["spec"]["containers"][0]["resources"]
    assert resources == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "1Gi"},
    }
    assert made["status"]["qosClass"] == "Guaranteed"


def test_probes_ports_and_env_get_defaults() -> None:
    main = container(
        ports=[{"containerPort": 80}],
        readinessProbe={"httpGet": {"port": 80}},
        startupProbe={"grpc": {"port": 90}},
        lifecycle={"preStop": {"httpGet": {"port": 80}}},
        env=[{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    )
    made = created(RULES, pod(containers=[main], hostNetwork=True))["spec"]["containers"][0]
    assert made["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]
    assert made["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert made["startupProbe"]["grpc"] == {"port": 90, "service": ""}
    assert made["lifecycle"]["preStop"]["httpGet"]["path"] == "/"
    assert made["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"


def test_volumes_get_the_defaults_of_their_source() -> None:
    volumes = [
        {"name": "none"},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "map", "configMap": {"name": "m"}},
        {"name": "host", "hostPath": {"path": "/x"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
    none, secret, config, host, token = created(RULES, pod(volumes=volumes))["spec"]["volumes"]
    assert none["emptyDir"] == {}
    assert secret["secret"]["defaultMode"] == config["configMap"]["defaultMode"] == 420
    assert host["hostPath"]["type"] == ""
    assert token["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


def test_a_gated_pod_says_that_it_waits_for_its_gates() -> None:
    made = created(RULES, pod(schedulingGates=[{"name": "example.com/quota"}]))
    assert made["status"]["conditions"][0]["reason"] == "SchedulingGated"
    opened = {**made, "spec": {**made["spec"], "schedulingGates": []}}
    RULES.prepare_update(opened, made)
    assert "conditions" not in opened["status"]


def test_ephemeral_containers_are_refused_at_create() -> None:
    with pytest.raises(Invalid, match="ephemeralContainers: Forbidden: cannot be set on create"):
        created(RULES, pod(ephemeralContainers=[container(name="debug")]))


def test_tolerations_of_a_lost_node_are_added_once_and_never_over_the_pods_own() -> None:
    made = pod()
    add_default_tolerations(made)
    add_default_tolerations(made)
    assert [t["key"] for t in made["spec"]["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    made = pod(tolerations=[own])
    add_default_tolerations(made)
    assert made["spec"]["tolerations"][0] == own
    assert len(made["spec"]["tolerations"]) == 2
    for_all = pod(tolerations=[{"operator": "Exists"}])
    add_default_tolerations(for_all)
    assert for_all["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_the_account_is_named_by_both_its_names() -> None:
    made = pod()
    set_service_account(made)
    assert made["spec"]["serviceAccountName"] == made["spec"]["serviceAccount"] == "default"
    assert created(RULES, pod(serviceAccount="robot"))["spec"]["serviceAccountName"] == "robot"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"example.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_the_quality_of_service_class_follows_from_requests_and_limits(
    resources: list[dict[str, dict[str, str]]], expected: str
) -> None:
    assert qos_class({"containers": [{"resources": r} for r in resources]}) == expected
