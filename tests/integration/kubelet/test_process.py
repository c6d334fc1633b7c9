"""A kubelet process between a real API server, a real bus and real processes; any of them may go away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from agents.client.config import load
from agents.client.resources import LEASES, NODES, PODS
from agents.client.rest import RestClient
from agents.kubelet.process_runtime import stop_everything
from deploy import identities
from tests.apiserver import ApiServer, api_server
from tests.conftest import eventually
from tests.integration.kubelet.node import SLEEP, container, is_ready, pod_object, shell
from tests.integration.kubelet.process import WAIT_SECONDS, KubeletProcess, Pods
from tests.servers import Nats

__all__ = ["api_server"]


@pytest_asyncio.fixture
async def rest(api_server: ApiServer) -> AsyncIterator[RestClient]:
    async with RestClient(load(api_server.kubeconfig()), user_agent="tests") as made:
        yield made


@pytest.fixture
def pods(rest: RestClient, api_server: ApiServer) -> Pods:
    return Pods(rest, api_server)


@pytest.fixture
def kubelet(tmp_path: Path, api_server: ApiServer, nats_server: Nats) -> Iterator[KubeletProcess]:
    who = identities.node("node-1")
    made = KubeletProcess(tmp_path, api_server, nats_server, who=who, nodes="node-1")
    yield made
    made.kill()
    stop_everything(made.root, grace_seconds=0)


@pytest.fixture
def fleet(tmp_path: Path, api_server: ApiServer, nats_server: Nats) -> Iterator[KubeletProcess]:
    names = ",".join(f"node-{n}" for n in range(1, 21))
    made = KubeletProcess(tmp_path, api_server, nats_server, who=identities.FLEET, nodes=names, runtime="sim")
    yield made
    made.kill()


async def test_a_kubelet_registers_runs_a_pod_shows_its_log_and_ends_it(
    kubelet: KubeletProcess, pods: Pods, rest: RestClient
) -> None:
    await kubelet.start()
    node = await rest.get(NODES, "node-1")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
    probe = {"exec": {"command": ["test", "-e", "up"]}, "periodSeconds": 1, "timeoutSeconds": 30}
    spec = shell("echo hello; echo world; touch up; exec sleep 1000", readinessProbe=probe)
    uid = await pods.create(pod_object("web", spec))
    status = await pods.ready("web")
    assert status["hostIP"] == node["status"]["addresses"][0]["address"]
    assert len(kubelet.command_pids(uid)) == 1
    await eventually(lambda: _says(pods, "world"), timeout_seconds=WAIT_SECONDS, what="the log")
    assert await asyncio.to_thread(pods.log, "web", "tailLines=1") == (200, "world\n")
    code, text = await asyncio.to_thread(pods.log, "web", "previous=true")
    assert code == 400
    assert json.loads(text)["message"] == 'previous terminated container "main" in pod "web" not found'
    await pods.delete("web")
    await pods.gone("web")
    await eventually(lambda: not list((kubelet.root / "pods").iterdir()), what="its directory gone")


async def _says(pods: Pods, text: str) -> bool:
    return text in (await asyncio.to_thread(pods.log, "web"))[1]


async def test_processes_survive_kill_9_of_their_kubelet_and_are_not_started_twice(
    kubelet: KubeletProcess, pods: Pods
) -> None:
    await kubelet.start()
    uids = {name: await pods.create(pod_object(name, shell(SLEEP))) for name in ("stays", "leaves", "dies")}
    for name in uids:
        await pods.ready(name)
    before = {name: kubelet.command_pids(uid) for name, uid in uids.items()}
    kubelet.kill()
    await pods.delete("leaves")
    os.kill(before["dies"][0], signal.SIGKILL)
    uids["new"] = await pods.create(pod_object("new", shell(SLEEP)))
    await kubelet.start()
    await pods.gone("leaves")
    await pods.restarted("dies", 1)
    await pods.ready("new")
    assert not psutil.pid_exists(before["leaves"][0])
    assert kubelet.command_pids(uids["stays"]) == before["stays"]
    assert container((await pods.get("stays"))["status"])["restartCount"] == 0
    assert len(kubelet.command_pids(uids["dies"])) == len(kubelet.command_pids(uids["new"])) == 1


async def test_sigterm_ends_the_kubelet_soon_and_leaves_its_containers(kubelet: KubeletProcess, pods: Pods) -> None:
    await kubelet.start()
    probe = {"exec": {"command": ["sleep", "1000"]}, "timeoutSeconds": 1000}
    uid = await pods.create(pod_object("web", shell(SLEEP, livenessProbe=probe)))
    await pods.ready("web")
    following = asyncio.create_task(asyncio.to_thread(pods.log, "web", "follow=true"))
    before = kubelet.command_pids(uid)
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(kubelet.stop)
    assert asyncio.get_running_loop().time() - began < 10  # 2 s on a machine with nothing else to do
    assert kubelet.command_pids(uid) == before
    await following


async def test_a_kubelet_starts_without_an_api_server_and_tells_it_later(
    kubelet: KubeletProcess, pods: Pods, api_server: ApiServer
) -> None:
    await kubelet.start()
    uids = {name: await pods.create(pod_object(name, shell(SLEEP))) for name in ("stays", "dies")}
    for name in uids:
        await pods.ready(name)
    before = {name: kubelet.command_pids(uid) for name, uid in uids.items()}
    kubelet.kill()
    api_server.kill()
    os.kill(before["dies"][0], signal.SIGKILL)
    kubelet.spawn()
    await eventually(
        lambda: kubelet.command_pids(uids["dies"]) not in ([], before["dies"]),
        timeout_seconds=WAIT_SECONDS,
        what="the container to run again",
    )
    again = kubelet.command_pids(uids["dies"])
    os.kill(kubelet.command_pids(uids["stays"])[0], signal.SIGKILL)
    await eventually(
        lambda: kubelet.command_pids(uids["stays"]) not in ([], before["stays"]),
        timeout_seconds=WAIT_SECONDS,
        what="the other container to run again",
    )
    api_server.start()
    await pods.restarted("dies", 1)
    await pods.restarted("stays", 1)
    assert kubelet.command_pids(uids["dies"]) == again


async def test_the_bus_alone_tells_a_kubelet_what_it_missed(
    kubelet: KubeletProcess, pods: Pods, rest: RestClient, api_server: ApiServer
) -> None:
    await kubelet.start()
    uids = {name: await pods.create(pod_object(name, shell(SLEEP))) for name in ("stays", "leaves")}
    for name in uids:
        await pods.ready(name)
    before = {name: kubelet.command_pids(uid) for name, uid in uids.items()}
    kubelet.kill()
    await pods.delete("leaves")
    await rest.list(PODS)  # answered from what the stream brought, so the stream has the deletion
    api_server.kill()
    kubelet.spawn()
    await eventually(
        lambda: not psutil.pid_exists(before["leaves"][0]), timeout_seconds=WAIT_SECONDS, what="the deleted pod's end"
    )
    assert kubelet.command_pids(uids["stays"]) == before["stays"]
    api_server.start()
    await pods.gone("leaves")


async def test_changes_made_while_the_bus_was_away_reach_the_kubelet(
    kubelet: KubeletProcess, pods: Pods, nats_server: Nats
) -> None:
    await kubelet.start()
    await pods.create(pod_object("old", shell(SLEEP)))
    await pods.ready("old")
    nats_server.kill()
    await pods.create(pod_object("new", shell(SLEEP)))
    await pods.delete("old")
    nats_server.start()
    await pods.ready("new")
    await pods.gone("old")


async def test_a_node_that_was_declared_silent_says_that_it_is_not(kubelet: KubeletProcess, rest: RestClient) -> None:
    await kubelet.start()

    async def is_up() -> bool:
        conditions = (await rest.get(NODES, "node-1"))["status"]["conditions"]
        return bool({c["type"]: c["status"] for c in conditions}["Ready"] == "True")

    await eventually(is_up, timeout_seconds=WAIT_SECONDS, what="Ready")
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    patch = {"status": {"conditions": [ready]}}
    strategic = "application/strategic-merge-patch+json"
    await rest.patch(NODES, "node-1", patch, subresource="status", content_type=strategic)
    await eventually(is_up, timeout_seconds=WAIT_SECONDS, what="Ready again")


async def test_a_fleet_runs_the_pods_of_all_its_nodes(fleet: KubeletProcess, rest: RestClient, pods: Pods) -> None:
    await fleet.start()
    names = [f"p-{n}" for n in range(60)]
    for n, name in enumerate(names):
        await pods.create(pod_object(name, {"name": "main", "image": "none"}, nodeName=f"node-{1 + n % 20}"))
    await pods.create(pod_object("elsewhere", {"name": "main", "image": "none"}, nodeName="node-of-others"))
    assert await all_ready(rest, len(names))
    leases = await rest.list(LEASES, namespace="kube-node-lease")
    assert len(leases.items) == 20
    assert "startTime" not in (await pods.get("elsewhere")).get("status", {})
    fleet.kill()
    await fleet.start()

    def again(items: list[Any]) -> bool:
        return all(is_ready(p["status"]) and container(p["status"])["restartCount"] == 1 for p in items)

    async def restarted() -> bool:
        return again([p for p in (await rest.list(PODS)).items if p["metadata"]["name"] in names])

    await eventually(restarted, timeout_seconds=WAIT_SECONDS, what="all pods restarted")


async def all_ready(rest: RestClient, count: int) -> bool:
    async def met() -> bool:
        return sum(is_ready(p.get("status", {})) for p in (await rest.list(PODS)).items) == count

    await eventually(met, timeout_seconds=WAIT_SECONDS, what=f"{count} pods Ready")
    return True
