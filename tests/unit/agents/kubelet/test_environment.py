"""A container's environment: order, sources, what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agents.kubelet.downward import NoSuchField, PodFacts, pod_field, resource_field
from agents.kubelet.environment import STANDARD_PATH, Environment, EnvironmentRefused, environment, volume_variable
from agents.kubelet.runtime import Mount
from agents.kubelet.sources import Sources
from apiserver.api.status import not_found
from tests.unit.agents.kubelet.builders import Obj, pod, spec

LABELS = {"app": "web", "tier": 'a"b'}
FACTS = PodFacts(
    pod=pod(spec("main"), spec("other", resources={"limits": {"cpu": "2"}}), metadata={"labels": LABELS}),
    node="node-1",
    host_ip="127.64.0.1",
    pod_ip="127.64.0.2",
    capacity={"cpu": "4", "memory": "8Gi"},
)
OBJECTS: dict[tuple[str, str], Obj] = {
    ("configmaps", "settings"): {"kind": "ConfigMap", "data": {"COLOR": "blue", "SIZE": "9"}},
    ("secrets", "keys"): {"kind": "Secret", "data": {"TOKEN": base64.b64encode(b"hush").decode()}},
}


async def fetch(resource: str, namespace: str, name: str) -> Obj:
    if (resource, name) not in OBJECTS:
        raise not_found(resource, "", name)
    return OBJECTS[(resource, name)]


async def made(mounts: tuple[Mount, ...] = (), path: str = "/bin", **container: Any) -> Environment:
    return await environment(
        spec(**container),
        facts=FACTS,
        sources=Sources(fetch, "default", None),
        mounts=mounts,
        hostname="web",
        path=path,
    )


async def declared(**container: Any) -> dict[str, str]:
    return (await made(**container)).declared


def value_from(**origin: Any) -> Obj:
    return {"name": "X", "valueFrom": origin}


async def test_later_variables_may_refer_to_earlier_ones() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}, {"name": "C", "value": "$(D)"}]
    assert await declared(env=env) == {"A": "1", "B": "12", "C": "$(D)"}


async def test_env_wins_over_env_from_and_later_over_earlier() -> None:
    sources = [{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "keys"}}]
    env = [{"name": "SIZE", "value": "1"}, {"name": "SIZE", "value": "2"}]
    assert await declared(envFrom=sources, env=env) == {"COLOR": "blue", "SIZE": "2", "S_TOKEN": "hush"}


async def test_path_and_hostname_are_there_and_may_be_overridden() -> None:
    assert dict((await made()).all) == {"PATH": "/bin", "HOSTNAME": "web"}
    assert dict((await made(path="")).all)["PATH"] == STANDARD_PATH
    assert dict((await made(env=[{"name": "PATH", "value": "/mine"}])).all)["PATH"] == "/mine"


async def test_every_mount_has_a_variable() -> None:
    mounts = (Mount("my-data", "/data", "/host/my-data", False),)
    assert (await made(mounts)).declared == {"BACKBEAT_VOLUME_MY_DATA": "/host/my-data"}
    assert volume_variable("a.b-c1") == "BACKBEAT_VOLUME_A_B_C1"


async def test_keys_of_configmaps_and_secrets() -> None:
    ref = {"name": "settings", "key": "COLOR"}
    assert await declared(env=[value_from(configMapKeyRef=ref)]) == {"X": "blue"}
    assert await declared(env=[value_from(secretKeyRef={"name": "keys", "key": "TOKEN"})]) == {"X": "hush"}


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"configMapKeyRef": {"name": "settings", "key": "x"}}, "couldn't find key x in ConfigMap default/settings"),
        ({"secretKeyRef": {"name": "keys", "key": "x"}}, "couldn't find key x in Secret default/keys"),
        ({"configMapKeyRef": {"name": "none", "key": "x"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "none", "key": "x"}}, 'secret "none" not found'),
        ({"fieldRef": {"fieldPath": "spec.subdomain"}}, "unsupported fieldPath: spec.subdomain"),
        ({"resourceFieldRef": {"resource": "limits.gpu"}}, "unsupported container resource: limits.gpu"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "containerName": "no"}}, "container no not found"),
        ({"fileKeyRef": {}}, "the source of variable X is not supported: fileKeyRef"),
    ],
)
async def test_what_cannot_be_had_is_refused_in_upstreams_words(origin: Obj, message: str) -> None:
    with pytest.raises(EnvironmentRefused) as refused:
        await made(env=[value_from(**origin)])
    assert str(refused.value) == message


async def test_what_is_optional_may_be_missing() -> None:
    env = [
        value_from(configMapKeyRef={"name": "none", "key": "x", "optional": True}),
        value_from(secretKeyRef={"name": "keys", "key": "x", "optional": True}),
    ]
    assert await declared(env=env, envFrom=[{"secretRef": {"name": "none", "optional": True}}]) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "uid-1"),
        ("metadata.labels", 'app="web"\ntier="a\\"b"'),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations", ""),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", ""),
        ("status.podIP", "127.64.0.2"),
        ("status.podIPs", "127.64.0.2"),
        ("status.hostIP", "127.64.0.1"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert pod_field(FACTS, path) == value


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(NoSuchField):
        pod_field(FACTS, "status.phase")


@pytest.mark.parametrize(
    ("resources", "ref", "value"),
    [
        ({"limits": {"cpu": "1500m"}}, {"resource": "limits.cpu"}, "2"),
        ({"limits": {"cpu": "1500m"}}, {"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"limits": {"memory": "64Mi"}}, {"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"limits": {"memory": "64Mi"}}, {"resource": "requests.memory", "divisor": "1Mi"}, "64"),
        ({"requests": {"memory": "1Mi"}, "limits": {"memory": "2Mi"}}, {"resource": "requests.memory"}, "1048576"),
        ({}, {"resource": "limits.cpu"}, "4"),
        ({}, {"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({}, {"resource": "requests.cpu"}, "0"),
        ({}, {"resource": "limits.cpu", "divisor": "0"}, "4"),
    ],
)
def test_resources_of_a_container(resources: Obj, ref: Obj, value: str) -> None:
    assert resource_field(FACTS, spec(resources=resources), ref) == value


async def test_resources_of_another_container_of_the_pod() -> None:
    ref = {"resource": "limits.cpu", "containerName": "other"}
    assert await declared(env=[value_from(resourceFieldRef=ref)]) == {"X": "2"}
