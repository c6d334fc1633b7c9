"""Containers as real processes: started once, ended whole, found again by whoever comes next."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path

import psutil
import pytest

from agents.kubelet import container_dir
from agents.kubelet.process_runtime import ProcessRuntime, StateDirInUse, stop_everything
from agents.kubelet.runtime import (
    Container,
    ContainerConfig,
    ContainerId,
    ContainerState,
    LogOptions,
    PodUid,
    RuntimeFailure,
    SandboxConfig,
    StartFailed,
)
from tests.conftest import eventually

UID = PodUid("11111111-2222-3333-4444-555555555555")
NETWORK = IPv4Network("127.90.1.0/24")
PATH = os.environ["PATH"]


@asynccontextmanager
async def runtime_on(state_dir: Path) -> AsyncIterator[ProcessRuntime]:
    runtime = ProcessRuntime(state_dir, network=NETWORK)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close()


@pytest.fixture
async def state_dir(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "kubelet"
    stop_everything(tmp_path / "kubelet", grace_seconds=0)


@pytest.fixture
async def runtime(state_dir: Path) -> AsyncIterator[ProcessRuntime]:
    async with runtime_on(state_dir) as made:
        yield made


async def run(runtime: ProcessRuntime, *command: str, attempt: int = 0, **more: object) -> ContainerId:
    sandbox = await runtime.run_pod_sandbox(SandboxConfig(UID, "default", "web", "node-1", "web"))
    env = (*more.pop("env", ()), ("PATH", PATH))  # type: ignore[misc]
    config = ContainerConfig(
        name="main",
        attempt=attempt,
        image="none",
        command=command,
        env=env,
        **more,  # type: ignore[arg-type]
    )
    container = await runtime.create_container(sandbox.id, config)
    await runtime.start_container(container)
    return container


def shell(script: str) -> tuple[str, str, str]:
    return ("sh", "-c", script)


async def look(runtime: ProcessRuntime, container: ContainerId) -> Container:
    return next(c for c in await runtime.list_containers(UID) if c.id == container)


async def end_of(runtime: ProcessRuntime, container: ContainerId) -> Container:
    async def ended() -> bool:
        return (await look(runtime, container)).state is ContainerState.EXITED

    await eventually(ended, what="end of the container")
    return await look(runtime, container)


async def logs(runtime: ProcessRuntime, container: ContainerId, **options: object) -> bytes:
    blocks = runtime.read_logs(container, LogOptions(**options))  # type: ignore[arg-type]
    return b"".join([block async for block in blocks])


def pid_of(runtime: ProcessRuntime, container: ContainerId, which: str = "pid") -> int:
    return int(runtime._containers[container][1].directory.fields("process")[which])


async def test_a_container_runs_its_command_and_reports_its_exit_code(runtime: ProcessRuntime) -> None:
    container = await run(runtime, *shell("echo out; echo err >&2; exit 3"))
    ended = await end_of(runtime, container)
    assert (ended.exit_code, ended.signal, ended.reason) == (3, 0, "Error")
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert ended.started_at <= ended.finished_at
    assert sorted((await logs(runtime, container)).split()) == [b"err", b"out"]


async def test_the_listener_hears_of_the_end(runtime: ProcessRuntime) -> None:
    heard: list[PodUid] = []
    runtime.listen(heard.append)
    await run(runtime, "true")
    await eventually(lambda: heard == [UID], what="word of the end")


async def test_a_signal_shows_in_the_exit_code(runtime: ProcessRuntime) -> None:
    container = await run(runtime, "sleep", "1000")
    os.kill(pid_of(runtime, container), signal.SIGKILL)
    ended = await end_of(runtime, container)
    assert (ended.exit_code, ended.signal) == (137, 9)


async def test_stop_asks_first_and_a_program_may_end_in_its_own_way(runtime: ProcessRuntime) -> None:
    container = await run(runtime, *shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"))
    await eventually(lambda: _log_has(runtime, container, b"up"), what="the program to be up")
    await runtime.stop_container(container, grace_seconds=20)
    assert (await look(runtime, container)).exit_code == 7
    assert b"bye\n" in await logs(runtime, container)


async def _log_has(runtime: ProcessRuntime, container: ContainerId, what: bytes) -> bool:
    return what in await logs(runtime, container)


async def test_a_program_that_does_not_listen_is_killed_after_its_grace(runtime: ProcessRuntime) -> None:
    container = await run(runtime, *shell("trap '' TERM; echo up; while :; do sleep 0.05; done"))
    await eventually(lambda: _log_has(runtime, container, b"up"), what="the program to be up")
    await runtime.stop_container(container, grace_seconds=0.3)
    assert (await look(runtime, container)).exit_code == 137


async def test_a_second_stop_may_shorten_the_grace(runtime: ProcessRuntime) -> None:
    container = await run(runtime, *shell("trap '' TERM; echo up; while :; do sleep 0.05; done"))
    await eventually(lambda: _log_has(runtime, container, b"up"), what="the program to be up")
    runtime._containers[container][1].directory.ask_to_stop(600)
    await runtime.stop_container(container, grace_seconds=0)
    assert (await look(runtime, container)).exit_code == 137


async def test_grandchildren_end_with_their_container_even_from_a_session_of_their_own(runtime: ProcessRuntime) -> None:
    script = "import subprocess as s; print(s.Popen(['setsid', 'sleep', '1000']).pid, s.Popen(['sleep', '1000']).pid)"
    container = await run(runtime, sys.executable, "-c", script)
    await end_of(runtime, container)
    pids = [int(p) for p in (await logs(runtime, container)).split()]
    assert len(pids) == 2
    assert not [p for p in pids if psutil.pid_exists(p)]


async def test_children_get_the_rest_of_the_grace_when_their_parent_ends_first(runtime: ProcessRuntime) -> None:
    child = "trap 'sleep 0.3; echo child done; exit' TERM; echo up; while :; do sleep 0.05; done"
    container = await run(runtime, *shell(f"sh -c \"{child}\" & trap 'exit 0' TERM; wait"))
    await eventually(lambda: _log_has(runtime, container, b"up"), what="the child to be up")
    await runtime.stop_container(container, grace_seconds=20)
    assert b"child done" in await logs(runtime, container)


async def test_the_environment_holds_what_was_given_and_nothing_of_the_kubelet(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKBEAT_NATS_URL", "nats://secret")
    container = await run(runtime, "env", env=(("GREETING", "hello"),))
    await end_of(runtime, container)
    names = {line.partition(b"=")[0] for line in (await logs(runtime, container)).splitlines()}
    assert names == {b"GREETING", b"HOME", b"PATH"}


async def test_a_missing_program_is_said_in_the_words_of_containerd(runtime: ProcessRuntime) -> None:
    with pytest.raises(StartFailed, match='exec: "no-such-program": executable file not found in \\$PATH'):
        await run(runtime, "no-such-program")
    (ended,) = await runtime.list_containers(UID)
    assert (ended.state, ended.exit_code, ended.reason) == (ContainerState.EXITED, 128, "StartError")
    assert ended.started_at is None


async def test_a_missing_working_directory_is_said(runtime: ProcessRuntime) -> None:
    with pytest.raises(StartFailed, match="chdir to cwd"):
        await run(runtime, "true", working_dir="/no/such/dir")


async def test_containers_run_on_without_a_runtime_and_the_next_one_finds_them(state_dir: Path) -> None:
    async with runtime_on(state_dir) as first:
        running = await run(first, "sleep", "1000")
        ending = await run(first, *shell("read x < ./go; exit 4"), attempt=1)
        pid = pid_of(first, running)
        directory = first._containers[ending][1].directory
    (directory.work / "go").write_text("")
    await eventually(lambda: bool(directory.fields("exit")), what="end without a kubelet")
    async with runtime_on(state_dir) as second:
        assert (await look(second, running)).state is ContainerState.RUNNING
        assert (await look(second, ending)).exit_code in (1, 4)
        assert psutil.pid_exists(pid)
        with pytest.raises(RuntimeFailure):
            await second.start_container(running)
        heard: list[PodUid] = []
        second.listen(heard.append)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: heard == [UID], what="word of the end of a recovered container")
        assert (await look(second, running)).exit_code == 137
        sandbox = await second.find_pod_sandbox(UID)
        assert sandbox is not None
        assert sandbox.ip == "127.90.1.2"


async def test_a_container_whose_shim_was_killed_is_ended_and_reported_unknown(state_dir: Path) -> None:
    async with runtime_on(state_dir) as first:
        container = await run(first, *shell("sleep 1000 & sleep 1000"))
        pid, shim = pid_of(first, container), pid_of(first, container, "shim")
    os.kill(shim, signal.SIGKILL)
    async with runtime_on(state_dir) as second:
        ended = await end_of(second, container)
        assert (ended.exit_code, ended.reason) == (255, "Unknown")
        await eventually(lambda: not [p for p in psutil.process_iter() if _group(p.pid) == pid], what="group gone")


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


async def test_a_half_made_container_is_thrown_away(state_dir: Path) -> None:
    async with runtime_on(state_dir) as first:
        container = await run(first, "true")
        directory = first._containers[container][1].directory.path
    half = directory.with_name("half")
    (half / "work").mkdir(parents=True)
    async with runtime_on(state_dir) as second:
        assert [c.id for c in await second.list_containers(UID)] == [container]
    assert not half.exists()


async def test_two_kubelets_on_one_state_dir_are_refused(runtime: ProcessRuntime, state_dir: Path) -> None:
    with pytest.raises(StateDirInUse):
        await ProcessRuntime(state_dir, network=NETWORK).start()


async def test_logs_rotate_and_are_read_across_files(runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_dir, "LOG_MAX_BYTES", 100_000)
    container = await run(runtime, *shell("i=0; while [ $i -lt 6000 ]; do echo line $i; i=$((i+1)); done"))
    await end_of(runtime, container)
    path = runtime._containers[container][1].log_path
    names = sorted(p.name for p in path.parent.iterdir())
    assert names[0] == "0.log"
    assert 3 <= len(names) <= 5
    assert (await logs(runtime, container)).splitlines() == [b"line %d" % i for i in range(6000)]
    assert (await logs(runtime, container, tail_lines=2)) == b"line 5998\nline 5999\n"


async def test_long_and_unfinished_lines_come_back_as_they_were(runtime: ProcessRuntime) -> None:
    container = await run(runtime, sys.executable, "-c", "print('x' * 50000); print('end', end='')")
    await end_of(runtime, container)
    assert await logs(runtime, container) == b"x" * 50000 + b"\nend"


async def test_a_follower_gets_every_line_until_the_end(runtime: ProcessRuntime) -> None:
    container = await run(runtime, *shell("for i in 1 2 3 4 5; do echo $i; sleep 0.05; done"))
    assert await logs(runtime, container, follow=True) == b"1\n2\n3\n4\n5\n"


async def test_exec_runs_beside_the_container(runtime: ProcessRuntime) -> None:
    container = await run(runtime, "sleep", "1000", env=(("A", "b"),))
    result = await runtime.exec_sync(container, shell("echo $A; exit 5"), timeout_seconds=10)
    assert (result.exit_code, result.output) == (5, b"b\n")
    assert (await runtime.exec_sync(container, ["sleep", "1000"], timeout_seconds=0.1)).timed_out
    with pytest.raises(RuntimeFailure, match="not found"):
        await runtime.exec_sync(container, ["no-such-program"], timeout_seconds=1)


async def test_removing_the_sandbox_ends_and_forgets_everything(runtime: ProcessRuntime, state_dir: Path) -> None:
    container = await run(runtime, "sleep", "1000")
    pid = pid_of(runtime, container)
    sandbox = await runtime.find_pod_sandbox(UID)
    assert sandbox is not None
    await runtime.remove_pod_sandbox(sandbox.id)
    await runtime.remove_pod_sandbox(sandbox.id)
    assert not psutil.pid_exists(pid)
    assert list((state_dir / "pods").iterdir()) == []
    assert await runtime.list_pod_sandboxes() == []


async def test_the_launcher_stops_everything_without_a_kubelet(state_dir: Path) -> None:
    async with runtime_on(state_dir) as runtime:
        for attempt in range(3):
            await run(runtime, "sleep", "1000", attempt=attempt)
    assert stop_everything(state_dir, grace_seconds=10) == 3
    assert stop_everything(state_dir, grace_seconds=10) == 0
    async with runtime_on(state_dir) as runtime:
        assert [c.exit_code for c in await runtime.list_containers(UID)] == [143, 143, 143]
