"""From a container of the pod's spec to what the runtime is asked to make."""

from __future__ import annotations

import os
from typing import Any

import pytest

from agents.kubelet.container_config import NO_COMMAND, Making, container_config, hostname
from agents.kubelet.downward import PodFacts
from agents.kubelet.runtime import ConfigRefused, ContainerConfig, Mount, RunAs
from agents.kubelet.sources import Sources
from tests.unit.agents.kubelet.builders import Obj, pod, spec


async def fetch(resource: str, namespace: str, name: str) -> Obj:
    raise AssertionError("nothing is read")


async def made(container: Obj, *, of: Obj | None = None, root: bool = False, needs_command: bool = True) -> Any:
    facts = PodFacts(pod=of or pod(container), node="node-1", host_ip="127.64.0.1", pod_ip="127.64.0.2")
    making = Making(
        facts=facts,
        sources=Sources(fetch, "default", None),
        volumes={"data": "/state/volumes/data"},
        path="/bin",
        needs_command=needs_command,
        may_switch_user=root,
    )
    return await container_config(container, attempt=2, making=making)


async def test_command_and_arguments_may_name_variables() -> None:
    config: ContainerConfig = await made(
        spec(command=["run", "$(A)"], args=["$$(A)", "$(B)"], env=[{"name": "A", "value": "1"}])
    )
    assert config.command == ("run", "1", "$(A)", "$(B)")
    assert (config.name, config.attempt, config.image) == ("main", 2, "none")


async def test_arguments_without_a_command_are_the_images_business() -> None:
    with pytest.raises(ConfigRefused, match=NO_COMMAND):
        await made({"name": "main", "args": ["x"]})
    assert (await made({"name": "main"}, needs_command=False)).command == ()


async def test_mounts_know_where_a_volume_is() -> None:
    mounts = [
        {"name": "data", "mountPath": "/d"},
        {"name": "data", "mountPath": "/e", "subPath": "x", "readOnly": True},
    ]
    assert (await made(spec(volumeMounts=mounts))).mounts == (
        Mount("data", "/d", "/state/volumes/data", False),
        Mount("data", "/e", "/state/volumes/data/x", True),
    )
    with pytest.raises(ConfigRefused, match='cannot find volume "no" to mount into container "main"'):
        await made(spec(volumeMounts=[{"name": "no", "mountPath": "/n"}]))


async def test_a_kubelet_that_is_root_runs_containers_as_their_user() -> None:
    shared = {"runAsUser": 1000, "fsGroup": 7, "supplementalGroups": [8]}
    own = spec(securityContext={"runAsUser": 2000})
    assert (await made(own, of=pod(own, securityContext=shared), root=True)).run_as == RunAs(2000, 0, (8, 7))
    assert (await made(spec(), root=True)).run_as == RunAs()


async def test_a_kubelet_that_is_not_root_refuses_other_users() -> None:
    with pytest.raises(ConfigRefused, match="only a kubelet that runs as root"):
        await made(spec(securityContext={"runAsUser": os.geteuid() + 1}))
    assert (await made(spec(securityContext={"runAsUser": os.geteuid()}))).run_as == RunAs()


async def test_run_as_non_root_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigRefused, match="would run as root"):
        await made(spec(securityContext={"runAsNonRoot": True}), root=True)
    assert await made(spec(securityContext={"runAsNonRoot": True, "runAsUser": 1000}), root=True)


def test_the_hostname_is_the_pods_name_unless_it_says_else() -> None:
    assert hostname(pod()) == "web"
    assert hostname(pod(hostname="other")) == "other"
    assert len(hostname(pod(metadata={"name": "x" * 80}))) == 63
