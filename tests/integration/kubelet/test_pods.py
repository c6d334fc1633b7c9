"""Pods on one node, with real processes: run, restarted, probed, ended, and found again by the next kubelet."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.kubelet import backoff, pod_volumes
from agents.kubelet.process_runtime import ProcessRuntime, stop_everything
from agents.kubelet.runtime import ContainerState, LogOptions, PodUid
from tests.conftest import eventually
from tests.integration.kubelet.node import SLEEP, Api, Node, container, is_ready, pod_object, process_node, shell

LONG = 60.0


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "kubelet"
    stop_everything(tmp_path / "kubelet", grace_seconds=0)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def node(api: Api, root: Path) -> AsyncIterator[Node]:
    async with process_node(api, root) as made:
        yield made


async def pid_of(node: Node, pod: str, name: str = "main") -> int:
    assert isinstance(node.runtime, ProcessRuntime)
    found = [c for c in await node.containers(pod) if c.name == name and c.state is ContainerState.RUNNING]
    assert len(found) == 1
    return int(node.runtime._containers[found[0].id][1].directory.fields("process")["pid"])


async def log_of(node: Node, pod: str, name: str = "main") -> str:
    newest = [c for c in await node.containers(pod) if c.name == name][-1]
    return b"".join([b async for b in node.runtime.read_logs(newest.id, LogOptions())]).decode()


async def says(node: Node, pod: str, text: str, name: str = "main") -> None:
    async def there() -> bool:
        found = [c for c in await node.containers(pod) if c.name == name]
        return bool(found) and text in await log_of(node, pod, name)

    await eventually(there, timeout_seconds=LONG, what=f"{text!r} in the log of {pod}")


async def test_a_pod_runs_and_says_so(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell(SLEEP)))
    status = await node.ready("web")
    assert status["phase"] == "Running"
    assert status["hostIP"] == "127.91.7.1"
    assert status["podIP"] == "127.91.7.2"
    assert status["podIPs"] == [{"ip": "127.91.7.2"}]
    assert status["qosClass"] == "BestEffort"
    main = container(status)
    assert main["ready"]
    assert main["started"]
    assert main["restartCount"] == 0
    assert main["containerID"].startswith("process://")
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert node.events.reasons("web") == ["Created", "Started"]


async def test_one_or_two_writes_tell_of_a_start(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell(SLEEP)))
    await node.ready("web")
    assert api.writes <= 3


async def test_a_container_gets_its_environment(node: Node, api: Api) -> None:
    api.objects[("configmaps", "settings")] = {"kind": "ConfigMap", "data": {"COLOR": "blue", "SIZE": "9"}}
    secret = base64.b64encode(b"hush").decode()
    api.objects[("secrets", "keys")] = {"kind": "Secret", "data": {"token": secret}}
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "WHOLE", "value": "$(ME)@$(IP)"},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    spec = shell(
        "echo $COLOR $SIZE $TOKEN $WHOLE $CPU $HOSTNAME; exec sleep 1000",
        env=env,
        envFrom=[{"configMapRef": {"name": "settings"}}],
    )
    api.put(pod_object("web", spec))
    await says(node, "web", "blue 9 hush web@127.91.7.2 4 web\n")


async def test_arguments_may_name_variables_and_the_working_directory_is_kept(
    node: Node, api: Api, tmp_path: Path
) -> None:
    spec: dict[str, Any] = {
        "name": "main",
        "image": "none",
        "command": ["sh", "-c"],
        "args": ["echo $(GREETING) from $PWD; exec sleep 1000"],
        "env": [{"name": "GREETING", "value": "hello"}],
        "workingDir": str(tmp_path),
    }
    api.put(pod_object("web", spec))
    await says(node, "web", f"hello from {tmp_path}\n")


async def test_volumes_are_found_by_a_variable(node: Node, api: Api) -> None:
    api.objects[("configmaps", "page")] = {"kind": "ConfigMap", "data": {"index.html": "<h1>hi</h1>"}}
    spec = shell(
        "cat $BACKBEAT_VOLUME_PAGE/index.html; touch $BACKBEAT_VOLUME_SCRATCH/x && echo; echo made; exec sleep 1000",
        volumeMounts=[{"name": "page", "mountPath": "/www"}, {"name": "scratch", "mountPath": "/scratch"}],
    )
    volumes = [{"name": "page", "configMap": {"name": "page"}}, {"name": "scratch", "emptyDir": {}}]
    api.put(pod_object("web", spec, volumes=volumes))
    await says(node, "web", "<h1>hi</h1>\nmade\n")


async def test_a_missing_volume_source_is_told_and_waited_for(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell(SLEEP), volumes=[{"name": "page", "configMap": {"name": "page"}}]))
    status = await node.status("web", lambda s: s.get("containerStatuses"), what="a status")
    assert status["phase"] == "Pending"
    assert container(status)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    await eventually(lambda: bool(node.events.message("web", "FailedMount")), what="FailedMount")
    expected = 'MountVolume.SetUp failed for volume "page" : configmap "page" not found'
    assert node.events.message("web", "FailedMount") == expected
    api.objects[("configmaps", "page")] = {"kind": "ConfigMap", "data": {}}
    await node.ready("web")


async def test_a_missing_configmap_key_is_a_config_error(node: Node, api: Api) -> None:
    ref = {"configMapKeyRef": {"name": "settings", "key": "x"}}
    api.put(pod_object("web", shell(SLEEP, env=[{"name": "X", "valueFrom": ref}])))
    status = await node.status("web", lambda s: waits(s) == "CreateContainerConfigError", what="the reason")
    assert container(status)["state"]["waiting"]["message"] == 'configmap "settings" not found'
    assert node.events.message("web", "Failed") == 'Error: configmap "settings" not found'


async def test_a_container_without_a_command_says_what_to_do(node: Node, api: Api) -> None:
    api.put(pod_object("web", {"name": "main", "image": "nginx"}))
    status = await node.status("web", lambda s: waits(s) == "CreateContainerConfigError", what="the reason")
    assert "give the container a command" in container(status)["state"]["waiting"]["message"]
    assert "Failed" in node.events.reasons("web")


def waits(status: dict[str, Any], name: str = "main") -> str:
    for one in status.get("containerStatuses", ()):
        if one["name"] == name:
            return str(one["state"].get("waiting", {}).get("reason", ""))
    return ""


async def test_a_program_that_does_not_exist_backs_off(node: Node, api: Api) -> None:
    api.put(pod_object("web", {"name": "main", "image": "none", "command": ["no-such-program"]}))
    status = await node.status("web", lambda s: waits(s) == "CrashLoopBackOff", what="CrashLoopBackOff")
    ended = container(status)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "executable file not found in $PATH" in node.events.message("web", "Failed")


async def test_a_container_that_fails_is_started_again_with_back_off(
    node: Node, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "INITIAL", backoff.INITIAL / 20)
    api.put(pod_object("web", shell("exit 3")))
    status = await node.status("web", lambda s: restarts(s) >= 2 and waits(s), what="two restarts")
    main = container(status)
    assert main["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main["state"]["waiting"]["message"].startswith("back-off ")
    assert main["lastState"]["terminated"]["exitCode"] == 3
    assert not is_ready(status)
    assert status["phase"] == "Running"
    assert node.events.message("web", "BackOff") == (
        "Back-off restarting failed container main in pod web_default(uid-of-web)"
    )
    found = await node.containers("web")
    assert len(found) <= 3  # old attempts are removed


def restarts(status: dict[str, Any], name: str = "main") -> int:
    return sum(int(c["restartCount"]) for c in status.get("containerStatuses", ()) if c["name"] == name)


@pytest.mark.parametrize(
    ("policy", "script", "phase"),
    [("Never", "exit 0", "Succeeded"), ("Never", "exit 7", "Failed"), ("OnFailure", "exit 0", "Succeeded")],
)
async def test_a_pod_that_does_not_restart_ends(node: Node, api: Api, policy: str, script: str, phase: str) -> None:
    api.put(pod_object("job", shell(script), restartPolicy=policy))
    status = await node.phase("job", phase)
    assert container(status)["state"]["terminated"]["exitCode"] == int(script[-1])
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "False"
    assert restarts(status) == 0


async def test_the_address_of_a_pod_that_ended_is_free_and_its_log_is_kept(node: Node, api: Api) -> None:
    api.put(pod_object("job", shell("echo done"), restartPolicy="Never"))
    ended = await node.phase("job", "Succeeded")
    await eventually(lambda: node.addresses_taken() == 0, timeout_seconds=LONG, what="the address to be free")
    assert await log_of(node, "job") == "done\n"
    assert api.get("job")["status"]["podIP"] == ended["podIP"]


async def test_a_changed_configmap_reaches_the_volume_of_a_running_pod(
    node: Node, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_volumes, "REFRESH_SECONDS", 0.1)
    api.objects[("configmaps", "page")] = {"kind": "ConfigMap", "data": {"text": "old"}}
    script = "while :; do cat $BACKBEAT_VOLUME_PAGE/text; echo; sleep 0.1; done"
    spec = shell(script, volumeMounts=[{"name": "page", "mountPath": "/page"}])
    api.put(pod_object("web", spec, volumes=[{"name": "page", "configMap": {"name": "page"}}]))
    await says(node, "web", "old")
    api.away = True  # what cannot be read stays as it is
    api.objects[("configmaps", "page")] = {"kind": "ConfigMap", "data": {"text": "new"}}
    api.away = False
    await says(node, "web", "new")


async def test_init_containers_run_one_after_the_other_before_the_rest(node: Node, api: Api, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    inits = [shell(f"sleep 0.2; echo one >> {trace}", name="one"), shell(f"echo two >> {trace}", name="two")]
    api.put(pod_object("web", shell(f"echo main >> {trace}; exec sleep 1000"), initContainers=inits))
    status = await node.ready("web")
    await eventually(lambda: trace.read_text() == "one\ntwo\nmain\n", what="the order")
    assert [c["state"]["terminated"]["reason"] for c in status["initContainerStatuses"]] == ["Completed"] * 2


async def test_a_failed_init_container_fails_a_pod_that_never_restarts(node: Node, api: Api) -> None:
    api.put(pod_object("job", shell(SLEEP), initContainers=[shell("exit 1", name="one")], restartPolicy="Never"))
    status = await node.phase("job", "Failed")
    assert [c.name for c in await node.containers("job")] == ["one"]
    assert waits(status) == "PodInitializing"


async def test_a_sidecar_starts_before_and_ends_after_the_main_container(node: Node, api: Api, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    sidecar = shell(
        f"echo side up >> {trace}; trap 'echo side down >> {trace}; exit 0' TERM; while :; do sleep 0.05; done",
        name="side",
        restartPolicy="Always",
    )
    api.put(pod_object("job", shell(f"sleep 0.3; echo main done >> {trace}"), initContainers=[sidecar],
                       restartPolicy="Never"))  # fmt: skip
    await node.phase("job", "Succeeded")
    assert trace.read_text() == "side up\nmain done\nside down\n"


async def test_deletion_asks_waits_and_then_removes_the_object(node: Node, api: Api, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    api.put(pod_object("web", shell(f"trap 'echo bye > {trace}; exit 0' TERM; echo up; while :; do sleep 0.05; done")))
    await node.ready("web")
    await says(node, "web", "up")
    api.mark_deleted("web")
    await node.gone("web")
    assert trace.read_text() == "bye\n"
    assert node.events.message("web", "Killing") == "Stopping container main"
    assert await node.containers("web") == []


async def test_a_program_that_does_not_end_is_killed_after_its_grace(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell("trap '' TERM; echo up; while :; do sleep 0.05; done")))
    await says(node, "web", "up")
    api.mark_deleted("web", grace=1)
    await node.gone("web")


async def test_a_second_deletion_may_shorten_the_grace(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell("trap '' TERM; echo up; while :; do sleep 0.05; done")))
    await says(node, "web", "up")
    api.mark_deleted("web", grace=600)
    await eventually(lambda: "Killing" in node.events.reasons("web"), what="the first stop")
    api.mark_deleted("web", grace=1)
    await node.gone("web")


async def test_the_status_before_the_removal_shows_how_containers_ended(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")))
    await says(node, "web", "up")
    removed: list[dict[str, Any]] = []
    original = api.remove
    api.remove = lambda name: removed.append(api.get(name)) or original(name)  # type: ignore[method-assign,func-returns-value]
    api.mark_deleted("web")
    await node.gone("web")
    assert container(removed[0]["status"])["state"]["terminated"]["exitCode"] == 9
    assert not is_ready(removed[0]["status"])


async def test_a_pod_with_a_finalizer_is_ended_and_waits_for_its_removal(node: Node, api: Api) -> None:
    held = pod_object("web", shell(SLEEP))
    held["metadata"]["finalizers"] = ["example.com/hold"]
    api.put(held)
    await node.ready("web")
    pid = await pid_of(node, "web")
    api.mark_deleted("web")
    await eventually(lambda: api.get("web")["metadata"].get("deletionGracePeriodSeconds") == 0, what="the release")
    assert not psutil.pid_exists(pid)
    writes = api.writes
    api.put({**api.get("web"), "metadata": {**api.get("web")["metadata"], "labels": {"a": "b"}}})
    api.put(pod_object("other", shell(SLEEP)))
    await node.ready("other")
    assert api.writes <= writes + 3
    api.remove("web")
    await node.gone("web")


async def test_a_prestop_hook_runs_before_the_container_is_asked(node: Node, api: Api, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hook = {"exec": {"command": ["sh", "-c", f"echo hook >> {trace}"]}}
    script = f"trap 'echo term >> {trace}; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    api.put(pod_object("web", shell(script, lifecycle={"preStop": hook})))
    await says(node, "web", "up")
    api.mark_deleted("web")
    await node.gone("web")
    assert trace.read_text() == "hook\nterm\n"


async def test_a_failed_poststart_hook_ends_the_container(node: Node, api: Api) -> None:
    hook = {"exec": {"command": ["sh", "-c", "exit 4"]}}
    api.put(pod_object("job", shell(SLEEP, lifecycle={"postStart": hook}), restartPolicy="Never"))
    await node.phase("job", "Failed")
    assert "FailedPostStartHook" in node.events.reasons("job")


async def test_a_readiness_probe_opens_and_closes_the_pod(node: Node, api: Api, tmp_path: Path) -> None:
    flag = tmp_path / "ready"
    probe = {"exec": {"command": ["test", "-e", str(flag)]}, "periodSeconds": 1, "failureThreshold": 1}
    api.put(pod_object("web", shell(SLEEP, readinessProbe=probe)))
    status = await node.phase("web", "Running")
    assert not is_ready(status)
    flag.touch()
    await node.ready("web")
    flag.unlink()
    status = await node.status("web", lambda s: not is_ready(s), what="not Ready")
    assert restarts(status) == 0
    assert node.events.message("web", "Unhealthy").startswith("Readiness probe failed: ")


async def test_a_failed_liveness_probe_restarts_the_container(node: Node, api: Api, tmp_path: Path) -> None:
    probe = {"exec": {"command": ["test", "-e", "alive"]}, "periodSeconds": 1, "failureThreshold": 1,
             "initialDelaySeconds": 1}  # fmt: skip
    script = f"[ -e {tmp_path}/once ] && touch alive; touch {tmp_path}/once; exec sleep 1000"
    api.put(pod_object("web", shell(script, livenessProbe=probe)))
    status = await node.status("web", lambda s: restarts(s) == 1 and is_ready(s), what="a restart")
    assert container(status)["lastState"]["terminated"]["exitCode"] == 143
    assert node.events.message("web", "Killing") == "Container main failed liveness probe, will be restarted"


async def test_http_and_tcp_probes_reach_the_pods_own_address(node: Node, api: Api) -> None:
    serve = (
        "import http.server,os;"
        "http.server.HTTPServer((os.environ['IP'],8080),http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    spec = {
        "name": "main",
        "image": "none",
        "command": ["python3", "-c", serve],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    api.put(pod_object("a", spec))
    api.put(pod_object("b", spec))
    assert (await node.ready("a"))["podIP"] != (await node.ready("b"))["podIP"]


async def test_a_pod_past_its_deadline_fails(node: Node, api: Api) -> None:
    api.put(pod_object("job", shell(SLEEP), activeDeadlineSeconds=1))
    status = await node.phase("job", "Failed")
    assert status["reason"] == "DeadlineExceeded"
    assert container(status)["state"]["terminated"]["exitCode"] == 143


async def test_a_pod_that_does_not_fit_is_refused(node: Node, api: Api) -> None:
    big = shell(SLEEP, resources={"requests": {"cpu": "3"}})
    api.put(pod_object("one", big))
    await node.ready("one")
    api.put(pod_object("two", big))
    status = await node.phase("two", "Failed")
    assert status["reason"] == "OutOfcpu"
    assert status["message"] == (
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 3000, capacity: 4000"
    )
    assert "containerStatuses" not in status
    assert node.events.reasons("two") == ["OutOfcpu"]
    api.mark_deleted("one")
    await node.gone("one")
    api.mark_deleted("two")
    await node.gone("two")


async def test_a_pod_that_was_removed_by_force_is_killed_and_its_successor_runs(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell("trap '' TERM; echo up; while :; do sleep 0.05; done")))
    await says(node, "web", "up")
    old = await pid_of(node, "web")
    api.remove("web")
    successor = pod_object("web", shell(SLEEP))
    successor["metadata"]["uid"] = "uid-of-successor"
    api.put(successor)
    await node.ready("web")
    await eventually(lambda: not psutil.pid_exists(old), timeout_seconds=LONG, what="the old process gone")

    async def one_left() -> bool:
        return len(await node.runtime.list_pod_sandboxes()) == 1

    await eventually(one_left, timeout_seconds=LONG, what="the old sandbox gone")


async def test_a_status_that_others_changed_is_set_right(node: Node, api: Api) -> None:
    api.put(pod_object("web", shell(SLEEP)))
    status = await node.ready("web")
    pod = api.get("web")
    wrong = [{**c, "status": "False"} if c["type"] == "Ready" else c for c in status["conditions"]]
    other = {"type": "example.com/gate", "status": "True"}
    api.put({**pod, "status": {**status, "conditions": [*wrong, other]}})
    status = await node.ready("web")
    assert other in status["conditions"]


# Restarts and absences


async def test_what_a_kubelet_left_that_was_killed_while_it_removed_a_pod_goes(api: Api, root: Path) -> None:
    half = root / "pods" / "uid-of-half" / "containers" / "x"
    await asyncio.to_thread(half.mkdir, parents=True)
    async with process_node(api, root):
        assert list((root / "pods").iterdir()) == []


async def test_a_restarted_kubelet_finds_its_processes_and_starts_none_twice(api: Api, root: Path) -> None:
    async with process_node(api, root) as node:
        api.put(pod_object("web", shell(SLEEP)))
        await node.ready("web")
        pid = await pid_of(node, "web")
    assert psutil.pid_exists(pid)
    writes = api.writes
    async with process_node(api, root) as node:
        await eventually(lambda: len(node.pods) == 1, what="the pod to be known")
        api.put(pod_object("other", shell(SLEEP)))
        await node.ready("other")
        assert await pid_of(node, "web") == pid
        assert restarts(api.get("web")["status"]) == 0
        assert is_ready(api.get("web")["status"])
        assert node.events.reasons("web") == []
    assert api.writes <= writes + 3


async def test_what_ended_while_the_kubelet_was_away_is_started_again(api: Api, root: Path) -> None:
    async with process_node(api, root) as node:
        api.put(pod_object("web", shell(SLEEP)))
        await node.ready("web")
        pid = await pid_of(node, "web")
    os.kill(pid, signal.SIGKILL)
    async with process_node(api, root) as node:
        status = await node.status("web", lambda s: restarts(s) == 1 and is_ready(s), what="a restart")
        assert container(status)["lastState"]["terminated"]["exitCode"] == 137
        assert await pid_of(node, "web") != pid


async def test_a_pod_deleted_while_the_kubelet_was_away_is_ended(api: Api, root: Path) -> None:
    async with process_node(api, root) as node:
        for name in ("marked", "removed"):
            api.put(pod_object(name, shell(SLEEP)))
            await node.ready(name)
        pids = [await pid_of(node, name) for name in ("marked", "removed")]
    api.mark_deleted("marked")
    api.remove("removed")
    async with process_node(api, root) as node:
        await node.gone("marked")
        await node.gone("removed")
        assert not [p for p in pids if psutil.pid_exists(p)]
        assert list((root / "pods").iterdir()) == []


async def test_pods_run_without_the_api_server_and_also_start_without_it(api: Api, root: Path) -> None:
    async with process_node(api, root) as node:
        api.put(pod_object("web", shell(SLEEP)))
        await node.ready("web")
        pid = await pid_of(node, "web")
    os.kill(pid, signal.SIGKILL)
    api.away = True
    async with process_node(api, root, told=False) as node:

        async def again() -> bool:
            return any(c.state is ContainerState.RUNNING for c in await node.containers("web"))

        await eventually(again, timeout_seconds=LONG, what="the container to run again")
        assert restarts(api.get("web")["status"]) == 0  # not told yet
        api.away = False
        await node.status("web", lambda s: restarts(s) == 1, what="the news")


async def test_what_was_not_told_before_the_kubelet_died_is_told_by_the_next(api: Api, root: Path) -> None:
    async with process_node(api, root) as node:
        api.put(pod_object("web", shell(SLEEP)))
        await node.ready("web")
        api.away = True
        os.kill(await pid_of(node, "web"), signal.SIGKILL)

        def restarted() -> bool:
            worker = node.pods.find(PodUid("uid-of-web"))
            return worker is not None and restarts(worker.local) == 1 and is_ready(worker.local)

        await eventually(restarted, timeout_seconds=LONG, what="the restart")
    assert restarts(api.get("web")["status"]) == 0
    api.away = False
    async with process_node(api, root) as node:
        await node.status("web", lambda s: restarts(s) == 1 and is_ready(s), what="the news")


async def test_a_container_restarts_without_the_api_server_from_kept_configuration(api: Api, root: Path) -> None:
    api.objects[("configmaps", "settings")] = {"kind": "ConfigMap", "data": {"COLOR": "blue"}}
    spec = shell("echo $COLOR; exec sleep 1000", envFrom=[{"configMapRef": {"name": "settings"}}])
    async with process_node(api, root) as node:
        api.put(pod_object("web", spec))
        await says(node, "web", "blue")
        api.away = True
        os.kill(await pid_of(node, "web"), signal.SIGKILL)

        async def again() -> bool:
            found = await node.containers("web")
            return found[-1].attempt == 1 and "blue" in await log_of(node, "web")

        await eventually(again, timeout_seconds=LONG, what="the container to run again")


async def test_a_refused_pod_stays_refused_after_a_restart(api: Api, root: Path) -> None:
    async with process_node(api, root) as node:
        api.put(pod_object("big", shell(SLEEP, resources={"requests": {"memory": "9Gi"}})))
        before = await node.phase("big", "Failed")
        api.away = True
    async with process_node(api, root, told=False) as node:
        await eventually(lambda: len(node.pods) == 1, what="the pod to be known")
        api.away = False
        api.put(pod_object("ok", shell(SLEEP)))
    async with process_node(api, root) as node:
        await node.ready("ok")
        assert api.get("big")["status"] == before
        assert await node.containers("big") == []
