"""Do what plans say for one pod, and remember what the next decision needs to know of it.

Each action is a task. Of one container only one thing is done at a time, different containers go side by side; an
action that is under way is not begun again, so plans may be repeated at will. A stop may overtake anything, and
another stop of the same container if its grace ends earlier. What failed for no reason that users can mend is held
back for `RETRY_SECONDS`. Every end of an action calls `changed`.

Cancelling (`close`) leaves containers as they are: the next kubelet finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from agents.client.events import EventType
from agents.kubelet.addresses import AddressesExhausted
from agents.kubelet.backoff import Backoff, after_restart
from agents.kubelet.container_config import Making, container_config, hostname
from agents.kubelet.decide import Action, MakeSandbox, RemoveContainer, StartContainer, StopContainer, StopSandbox
from agents.kubelet.hooks import POST_START_TIMEOUT_SECONDS, hook, run_hook
from agents.kubelet.host import Host
from agents.kubelet.observed import Observed, Problem
from agents.kubelet.pod_volumes import PodVolumes
from agents.kubelet.podspec import Obj, all_containers, full_name, init_containers, named, uid_of
from agents.kubelet.probing import Target
from agents.kubelet.runtime import (
    ConfigRefused,
    ContainerConfig,
    ContainerId,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    StartFailed,
)
from agents.kubelet.volumes import VolumeRefused

log = structlog.get_logger(__name__)

RETRY_SECONDS = 10.0
"""As upstream's sync loop looks again at a pod whose container could not be made."""
MOUNT_RETRY_FIRST, MOUNT_RETRY_LONGEST = timedelta(seconds=0.5), timedelta(seconds=122)
LEAST_GRACE_SECONDS = 2.0
"""What a container gets to end although its preStop hook used the whole grace."""
SANDBOX, VOLUMES = "sandbox", "volumes"

Work = Callable[[], Coroutine[Any, Any, None]]


class PodActions:
    def __init__(self, host: Host, pod: Callable[[], Obj], changed: Callable[[], None]) -> None:
        """`pod` gives the newest version."""
        self._host = host
        self._pod = pod
        self._changed = changed
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._preparing: set[asyncio.Task[None]] = set()
        self._held: dict[str, float] = {}
        self._stops: dict[ContainerId, float] = {}
        self._killed: set[ContainerId] = set()
        self._told_of_backoff: set[ContainerId] = set()
        self.volumes = PodVolumes(host)
        self._mount_failures = 0
        self.backoffs: dict[str, Backoff] = {}
        self.problems: dict[str, Problem] = {}
        self.pod_problem: Problem | None = None
        self.failed_hooks: dict[ContainerId, str] = {}
        self.forgotten = False
        """Nothing is left of the pod here."""

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    @property
    def due_seconds(self) -> float | None:
        """When something of ours is due again, from now: what is held back, a refresh. None: nothing."""
        now = asyncio.get_running_loop().time()
        self._held = {slot: until for slot, until in self._held.items() if until > now}
        waits = [until - now for until in self._held.values()]
        refresh = self.volumes.due_seconds
        return min(waits if refresh is None else [*waits, refresh], default=None)

    def begin(self, actions: Iterable[Action], observed: Observed) -> None:
        for action in actions:
            match action:
                case StopContainer():
                    self._begin_stop(action)
                case MakeSandbox():
                    self._spawn(SANDBOX, self._make_sandbox)
                case StartContainer():
                    self._begin_start(action, observed.sandbox)
                case StopSandbox(id_):
                    self._spawn(SANDBOX, partial(self._host.runtime.stop_pod_sandbox, id_))
                case RemoveContainer(id_):
                    name = next((c.name for c in observed.containers if c.id == id_), id_)
                    self._spawn(name, partial(self._host.runtime.remove_container, id_))

    def begin_refreshing(self) -> None:
        """Of volumes, when it is time."""
        due = self.volumes.due_seconds
        if due is not None and due <= 0:
            self._spawn(VOLUMES, lambda: self.volumes.refresh(self._pod()))

    def begin_forgetting(self) -> None:
        self._spawn(SANDBOX, self._forget)

    def give_up_starts(self) -> None:
        """Nothing will be started any more: what still waits for its configuration need not."""
        for task in self._preparing:
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Tasks

    def _spawn(self, slot: str, work: Work, *, overtakes: bool = False) -> bool:
        """False: it is held back, or something is being done there already."""
        if self._held.get(slot, 0.0) > asyncio.get_running_loop().time():
            return False
        if slot in self._tasks.values() and not overtakes:
            return False
        name = f"pod-{self._pod()['metadata']['name']}-{slot}"
        task = asyncio.create_task(self._guarded(slot, work), name=name)
        self._tasks[task] = slot
        task.add_done_callback(self._on_done)
        return True

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._preparing.discard(task)
        self._changed()

    async def _guarded(self, slot: str, work: Work) -> None:
        try:
            await work()
        except RuntimeFailure as err:
            log.warning("the runtime could not do it", pod=full_name(self._pod()), slot=slot, error=str(err))
            self._hold(slot)
        except Exception:  # a bug with one pod must not end the others; it is logged and tried again
            log.exception("action failed", pod=full_name(self._pod()), slot=slot)
            self._hold(slot)

    def _hold(self, slot: str) -> None:
        self._held[slot] = asyncio.get_running_loop().time() + RETRY_SECONDS

    async def _prepare(self, work: Coroutine[Any, Any, Any]) -> Any:
        """May be cancelled by `give_up_starts`; what comes after it may not."""
        task = asyncio.current_task()
        if task is None:
            return await work
        self._preparing.add(task)
        try:
            return await work
        finally:
            self._preparing.discard(task)

    def tell(self, container: str, kind: EventType, reason: str, message: str) -> None:
        """An Event about the pod; `container` empty: about the whole of it."""
        pod = self._pod()
        part = "initContainers" if named(init_containers(pod), container) else "containers"
        path = f"spec.{part}{{{container}}}" if container else ""
        self._host.events.event(pod, kind, reason, message, field_path=path)

    def tell_of_backoff(self, name: str, ended: ContainerId) -> None:
        """Once for each end."""
        if ended not in self._told_of_backoff:
            self._told_of_backoff.add(ended)
            message = f"Back-off restarting failed container {name} in pod {full_name(self._pod())}"
            self.tell(name, "Warning", "BackOff", message)

    # The pod

    async def _make_sandbox(self) -> None:
        pod = self._pod()
        meta, spec = pod["metadata"], pod["spec"]
        config = SandboxConfig(
            uid=uid_of(pod),
            namespace=meta["namespace"],
            name=meta["name"],
            node=spec["nodeName"],
            hostname=hostname(pod),
            host_network=bool(spec.get("hostNetwork")),
        )
        try:
            await self._prepare(self.volumes.make(pod))
            await self._host.runtime.run_pod_sandbox(config)
        except VolumeRefused as err:
            self._pod_failed("FailedMount", str(err))
        except (RuntimeFailure, AddressesExhausted, OSError) as err:
            self._pod_failed("FailedCreatePodSandBox", f"Failed to create pod sandbox: {err}")
        else:
            self.pod_problem, self._mount_failures = None, 0

    def _pod_failed(self, reason: str, message: str) -> None:
        wait = min(MOUNT_RETRY_FIRST * 2**self._mount_failures, MOUNT_RETRY_LONGEST)
        self._mount_failures = min(self._mount_failures + 1, 16)
        self.pod_problem = Problem(reason, message, self._host.now() + wait)
        self.tell("", "Warning", reason, message)

    async def _forget(self) -> None:
        uid = uid_of(self._pod())
        sandbox = await self._host.runtime.find_pod_sandbox(uid)
        if sandbox is not None:
            await self._host.runtime.remove_pod_sandbox(sandbox.id)
        self._host.store.forget(uid)
        self.forgotten = True

    # Containers

    def _begin_start(self, action: StartContainer, sandbox: Sandbox | None) -> None:
        if sandbox is not None:
            self._spawn(action.name, lambda: self._start(action, sandbox))

    async def _start(self, action: StartContainer, sandbox: Sandbox) -> None:
        pod, name = self._pod(), action.name
        spec = named(all_containers(pod), name)
        if spec is None:
            return
        try:
            config = await self._prepare(self._config(pod, spec, action.attempt, sandbox))
            if action.after is not None:
                ended, now = action.after.finished_at or self._host.now(), self._host.now()
                self.backoffs[name] = after_restart(self.backoffs.get(name), ended, now)
            await self._create_and_start(spec, config, sandbox)
        except VolumeRefused as err:
            self._container_failed(name, "CreateContainerConfigError", str(err), event=("FailedMount", str(err)))
        except ConfigRefused as err:
            self._container_failed(name, "CreateContainerConfigError", str(err))
        except StartFailed as err:  # the container has ended with code 128: its restart policy decides
            self.problems.pop(name, None)
            self.tell(name, "Warning", "Failed", f"Error: {err}")
        except RuntimeFailure as err:
            self._container_failed(name, "CreateContainerError", str(err))
        else:
            self.problems.pop(name, None)

    async def _config(self, pod: Obj, spec: Obj, attempt: int, sandbox: Sandbox) -> ContainerConfig:
        making = Making(
            facts=self.volumes.facts(pod, sandbox.ip),
            sources=self.volumes.sources(pod),
            volumes=await self.volumes.make(pod),
            path=self._host.path,
            needs_command=self._host.runs_processes,
            may_switch_user=self._host.may_switch_user,
        )
        return await container_config(spec, attempt=attempt, making=making)

    async def _create_and_start(self, spec: Obj, config: ContainerConfig, sandbox: Sandbox) -> None:
        name = config.name
        container = await self._host.runtime.create_container(sandbox.id, config)
        self.tell(name, "Normal", "Created", "Container created")
        await self._host.runtime.start_container(container)
        self.tell(name, "Normal", "Started", "Container started")
        handler = hook(spec, "postStart")
        if handler is not None and self._host.runs_processes:
            target = Target(self._host.runtime, container, spec, sandbox.ip)
            self._spawn(_hook_slot(container), lambda: self._post_start(target, handler))

    def _container_failed(self, name: str, reason: str, message: str, *, event: tuple[str, str] | None = None) -> None:
        """`event`: its reason and message, where they are not the usual ones."""
        self.problems[name] = Problem(reason, message, self._host.now() + timedelta(seconds=RETRY_SECONDS))
        self.tell(name, "Warning", *(event or ("Failed", f"Error: {message}")))

    async def _post_start(self, target: Target, handler: Obj) -> None:
        verdict = await run_hook(target, handler, timeout_seconds=POST_START_TIMEOUT_SECONDS)
        if not verdict.good:
            self.tell(target.spec["name"], "Warning", "FailedPostStartHook", f"PostStartHook failed: {verdict.output}")
            self.failed_hooks[target.container] = "failed postStart hook"

    def _begin_stop(self, action: StopContainer) -> None:
        due = asyncio.get_running_loop().time() + action.grace_seconds
        known = self._stops.get(action.id)
        if known is not None and due >= known - 0.5:
            return
        self._cancel_hook(action.id)
        if self._spawn(action.name, lambda: self._stop(action), overtakes=True):
            self._stops[action.id] = due

    def _cancel_hook(self, container: ContainerId) -> None:
        for task, slot in self._tasks.items():
            if slot == _hook_slot(container):
                task.cancel()

    async def _stop(self, action: StopContainer) -> None:
        grace = action.grace_seconds
        try:
            if action.id not in self._killed:
                self._killed.add(action.id)
                self.tell(action.name, "Normal", "Killing", action.why or f"Stopping container {action.name}")
                grace = await self._pre_stop(action)
            await self._host.runtime.stop_container(action.id, grace_seconds=grace)
        finally:
            self._stops.pop(action.id, None)

    async def _pre_stop(self, action: StopContainer) -> float:
        """Run the hook within the grace. Returns what is left of it."""
        spec = named(all_containers(self._pod()), action.name) or {}
        handler = hook(spec, "preStop")
        if handler is None or action.grace_seconds <= 0 or not self._host.runs_processes:
            return action.grace_seconds
        sandbox = await self._host.runtime.find_pod_sandbox(uid_of(self._pod()))
        began = asyncio.get_running_loop().time()
        target = Target(self._host.runtime, action.id, spec, sandbox.ip if sandbox else "")
        verdict = await run_hook(target, handler, timeout_seconds=action.grace_seconds)
        if not verdict.good:
            self.tell(action.name, "Warning", "FailedPreStopHook", f"PreStopHook failed: {verdict.output}")
        used = asyncio.get_running_loop().time() - began
        return max(LEAST_GRACE_SECONDS, action.grace_seconds - used)


def _hook_slot(container: ContainerId) -> str:
    return f"hook-{container}"
