"""Simulated containers keep the contract of a runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agents.kubelet.runtime import (
    Container,
    ContainerConfig,
    ContainerId,
    ContainerState,
    LogOptions,
    NoSuchContainer,
    PodUid,
    RuntimeFailure,
    SandboxConfig,
    SandboxId,
)
from agents.kubelet.sim_runtime import EXIT_CODE, RUN_SECONDS, SimRuntime
from tests.conftest import eventually
from tests.unit.agents.kubelet.builders import UID


@pytest.fixture
async def runtime() -> AsyncIterator[SimRuntime]:
    made = SimRuntime()
    await made.start()
    yield made
    await made.close()


async def sandbox(runtime: SimRuntime, uid: PodUid = UID, *, host_network: bool = False) -> SandboxId:
    config = SandboxConfig(uid, "default", "web", "node-1", "web", host_network)
    return (await runtime.run_pod_sandbox(config)).id


async def run(runtime: SimRuntime, **annotations: str) -> ContainerId:
    notes = tuple((k.replace("_", "-"), v) for k, v in annotations.items())
    config = ContainerConfig(
        name="main", attempt=0, image="none", command=(), annotations=tuple((f"backbeat.dev/{k}", v) for k, v in notes)
    )
    made = await runtime.create_container(await sandbox(runtime), config)
    await runtime.start_container(made)
    return made


async def only(runtime: SimRuntime) -> Container:
    (found,) = await runtime.list_containers(UID)
    return found


def test_the_annotations_are_those_that_the_readme_names() -> None:
    assert (RUN_SECONDS, EXIT_CODE) == ("backbeat.dev/sim-run-seconds", "backbeat.dev/sim-exit-code")


async def test_a_container_runs_until_it_is_stopped(runtime: SimRuntime) -> None:
    heard: list[PodUid] = []
    runtime.listen(heard.append)
    made = await run(runtime)
    assert (await only(runtime)).state is ContainerState.RUNNING
    await runtime.stop_container(made, grace_seconds=30)
    assert ((await only(runtime)).state, (await only(runtime)).exit_code) == (ContainerState.EXITED, 143)
    assert heard == [UID]
    await runtime.stop_container(made, grace_seconds=30)
    assert heard == [UID]


async def test_without_grace_it_is_killed(runtime: SimRuntime) -> None:
    await runtime.stop_container(await run(runtime), grace_seconds=0)
    assert (await only(runtime)).exit_code == 137


async def test_a_container_ends_as_its_pod_says(runtime: SimRuntime) -> None:
    await run(runtime, sim_run_seconds="0.01", sim_exit_code="3")

    async def ended() -> bool:
        return (await only(runtime)).state is ContainerState.EXITED

    await eventually(ended, what="the end")
    assert ((await only(runtime)).exit_code, (await only(runtime)).reason) == (3, "Error")


async def test_annotations_that_are_no_numbers_are_refused(runtime: SimRuntime) -> None:
    with pytest.raises(RuntimeFailure, match="take numbers"):
        await run(runtime, sim_run_seconds="soon")


async def test_a_container_starts_once(runtime: SimRuntime) -> None:
    made = await run(runtime)
    with pytest.raises(RuntimeFailure):
        await runtime.start_container(made)
    with pytest.raises(RuntimeFailure):
        await runtime.remove_container(made)


async def test_every_pod_has_an_address_and_a_stopped_sandbox_gives_it_back(runtime: SimRuntime) -> None:
    first = await sandbox(runtime, PodUid("a"))
    assert (await sandbox(runtime, PodUid("a"))) == first
    second = await sandbox(runtime, PodUid("b"))
    ips = {s.ip for s in await runtime.list_pod_sandboxes()}
    assert len(ips) == 2
    await runtime.stop_pod_sandbox(first)
    stopped = await runtime.find_pod_sandbox(PodUid("a"))
    assert stopped is not None
    assert not stopped.ready
    await runtime.remove_pod_sandbox(first)
    await runtime.remove_pod_sandbox(first)
    assert [s.id for s in await runtime.list_pod_sandboxes()] == [second]


async def test_a_pod_on_the_hosts_network_has_the_nodes_address(runtime: SimRuntime) -> None:
    await sandbox(runtime, host_network=True)
    found = await runtime.find_pod_sandbox(UID)
    assert found is not None
    assert found.ip == runtime.node_address("node-1")


async def test_what_is_not_there(runtime: SimRuntime) -> None:
    with pytest.raises(NoSuchContainer):
        await runtime.start_container(ContainerId("none"))
    await runtime.stop_container(ContainerId("none"), grace_seconds=1)
    await runtime.remove_container(ContainerId("none"))
    assert await runtime.list_containers(PodUid("none")) == []


async def test_a_log_of_one_line(runtime: SimRuntime) -> None:
    made = await run(runtime)
    text = b"".join([b async for b in runtime.read_logs(made, LogOptions())])
    assert text == b"simulated container main, attempt 0, running\n"
