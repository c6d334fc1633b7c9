"""What a restart costs: 50 changes missed, among 2,000 pods and among 20,000.

Client    This process alone: it makes the load and the changes over REST, and hears of the answers by one HTTP watch.
Load      ReplicaSets of 100 pods each, on simulated nodes with some 90 pods each, all running. Then the process is
          stopped, 50 changes are made, and it is killed: the supervisor starts its next life at once.
          `controllers`: 50 pods of as many places are deleted; caught up when 50 others were created for them.
          `scheduler`: 50 pods are created; caught up when all of them have a node.
Machine   Everything on one, as in `benchmarks.pods`. It is printed with the results.
Counted   caught up: seconds from the kill until the last of the 50 was heard of; the start of Python, of connections
          and the lease are in it. CPU: user and system seconds of the new process until then, its start included.
          lists: LIST requests (a page is one) that the API server answered meanwhile, of anybody. behind: CPU seconds
          of the 10 s after that, in which the rest is looked at in the background. MiB: what the process holds then.
          The last rows are ratios of the largest number of pods to the smallest: 1 is a cost that does not grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.table import Table

from agents.client.config import load as load_kubeconfig
from agents.client.resources import PODS, REPLICASETS, ResourceRef
from agents.client.rest import RestClient
from agents.client.transport import Transport
from benchmarks.common.machine import this_machine
from benchmarks.common.plane import Failed, Plane, control_plane
from benchmarks.common.podload import RUNNING, heard, make_namespace
from benchmarks.common.report import OUT, failures_told, table, write_json
from benchmarks.common.steps import Steps, steps

Obj = dict[str, Any]

NAMESPACE = "restart"
PODS_OF_A_SET = 100
PODS_OF_A_NODE = 90
BEHIND_SECONDS = 10.0
LOOK_SECONDS = 0.05
USER_AGENT = "backbeat-benchmark"
SUBSCRIPTIONS = ResourceRef("broker.backbeat.dev", "v1", "subscriptions", "Subscription", namespaced=False)
_LISTS = re.compile(rb'apiserver_request_total\{[^}]*verb="list"[^}]*\} ([0-9.e+]+)')


class TooSlow(Failed):
    """The time given is over. The message says what was waited for."""


@dataclass(frozen=True, slots=True)
class Parameters:
    pods: list[int]
    missed: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Restart:
    process: str
    pods: int
    caught_up_seconds: float
    cpu_seconds: float
    lists: int
    behind_cpu_seconds: float
    resident_bytes: int

    @property
    def row(self) -> str:
        return f"{self.process}, {self.pods} pods"


def main(
    *,
    pods: Annotated[str, typer.Option(help="How many there are, one run for each.")] = "2000,20000",
    missed: Annotated[int, typer.Option(min=1, help="Changes that are made while nobody is there.")] = 50,
    timeout: Annotated[float, typer.Option(help="Seconds after which a run is given up.")] = 600.0,
    json: Annotated[Path | None, typer.Option(help="A file for the results as JSON.")] = None,
) -> None:
    """Have controllers, then scheduler miss changes among few pods and among many; tell what catching up cost."""
    parameters = Parameters([int(count) for count in pods.split(",")], missed, timeout)
    machine = this_machine()
    found: list[Restart] = []
    with failures_told(), steps() as shown:
        for count in parameters.pods:
            with shown.step(f"start backbeat for {count} pods"):
                running = contextlib.ExitStack()
                plane = running.enter_context(control_plane(nodes=count // PODS_OF_A_NODE + 1))
            with running:
                found += asyncio.run(Run(plane, count, parameters, shown).measure())
    OUT.print(f"[bold]{missed} changes missed[/]", machine.line, "", restart_table(found), sep="\n", soft_wrap=True)
    if json is not None:
        results = {one.row: asdict(one) for one in found}
        write_json(json, benchmark="restart", machine=machine, parameters=asdict(parameters), results=results)


class Run:
    """One control plane with so many pods."""

    def __init__(self, plane: Plane, pods: int, parameters: Parameters, shown: Steps) -> None:
        self._plane = plane
        self._pods = pods
        self._missed = min(parameters.missed, pods)
        self._timeout = parameters.timeout_seconds
        self._shown = shown
        self._config = load_kubeconfig(plane.kubeconfig)

    async def measure(self) -> list[Restart]:
        """Raises TooSlow and WatchEnded, in a group."""
        async with RestClient(self._config, user_agent=USER_AGENT) as rest:
            await make_namespace(rest, NAMESPACE)
            await self._make_pods(rest)
            controllers = await self._restarted(rest, "controllers", self._delete_some, _is_new)
            scheduler = await self._restarted(rest, "scheduler", self._create_some, _is_bound)
            return [controllers, scheduler]

    async def _make_pods(self, rest: RestClient) -> None:
        async with heard(rest, NAMESPACE) as stages:
            with self._shown.step(f"have {self._pods} pods run", self._pods) as told:
                for number, size in enumerate(sizes(self._pods)):
                    await rest.create(REPLICASETS, _replica_set(f"set-{number}", size), namespace=NAMESPACE)

                def all_run() -> bool:
                    told(stages.count(RUNNING))
                    return stages.count(RUNNING) >= self._pods

                await self._until(all_run, f"{self._pods} running pods")

    async def _restarted(
        self,
        rest: RestClient,
        process: str,
        change: Callable[[RestClient], Awaitable[set[str]]],
        counts: Callable[[str, Obj, set[str]], bool],
    ) -> Restart:
        await self._quiet(rest, process)
        with self._shown.step(f"{process} miss {self._missed} changes among {self._pods} pods", self._missed) as told:
            async with _watched(rest) as (frames, done):
                old = self._plane.processes()[process]
                os.kill(old, signal.SIGSTOP)
                try:
                    names = await change(rest)
                    lists = await self._lists()
                finally:
                    os.kill(old, signal.SIGKILL)
                began, reached = time.monotonic(), 0.0

                def caught_up() -> bool:
                    nonlocal reached
                    for at, kind, pod in frames:
                        if counts(kind, pod, names):
                            done.add(pod["metadata"]["name"])
                            reached = at
                    frames.clear()
                    told(len(done))
                    return len(done) >= self._missed

                await self._until(caught_up, f"{process} to catch up")
                new = psutil.Process(self._plane.processes()[process])
                cpu, lists = _cpu(new), await self._lists() - lists
                await asyncio.sleep(BEHIND_SECONDS)
                behind = _cpu(new) - cpu
        return Restart(process, self._pods, reached - began, cpu, lists, behind, new.memory_info().rss)

    async def _delete_some(self, rest: RestClient) -> set[str]:
        """Of as many sets as there are. Returns the names of all pods that there were."""
        found = (await rest.list(PODS, namespace=NAMESPACE, metadata_only=True)).items
        for pod in found[:: max(1, len(found) // self._missed)][: self._missed]:
            await rest.delete(PODS, pod["metadata"]["name"], namespace=NAMESPACE, grace_period_seconds=0)
        return {pod["metadata"]["name"] for pod in found}

    async def _create_some(self, rest: RestClient) -> set[str]:
        names = {f"single-{number}" for number in range(self._missed)}
        for name in sorted(names):
            await rest.create(PODS, {**_pod(), "metadata": {"name": name}}, namespace=NAMESPACE)
        return names

    async def _quiet(self, rest: RestClient, process: str) -> None:
        """Nothing is left to be done, and what is known has been written down."""
        calm = 0

        async def idle() -> bool:
            nonlocal calm
            lag = (await rest.get(SUBSCRIPTIONS, process)).get("status", {}).get("lag")
            calm = calm + 1 if lag == 0 else 0
            return calm * LOOK_SECONDS > 2.0

        await self._until(idle, f"{process} to have nothing to do")

    async def _lists(self) -> int:
        transport = Transport(self._config, user_agent=USER_AGENT)
        try:
            lines = [line async for line in transport.lines("/metrics", query={})]
        finally:
            await transport.close()
        return int(sum(float(count) for count in _LISTS.findall(b"".join(lines))))

    async def _until(self, met: Callable[[], bool | Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            found = met()
            if found if isinstance(found, bool) else await found:
                return
            if time.monotonic() > deadline:
                raise TooSlow(f"{what}: not within {self._timeout:g} s")
            await asyncio.sleep(LOOK_SECONDS)


@contextlib.asynccontextmanager
async def _watched(rest: RestClient) -> AsyncIterator[tuple[list[tuple[float, str, Obj]], set[str]]]:
    """Frames as they come, with the moment; and an empty set."""
    now = (await rest.list(PODS, namespace=NAMESPACE, metadata_only=True)).resource_version
    frames: list[tuple[float, str, Obj]] = []

    async def watch() -> None:
        async for kind, pod in rest.watch(PODS, namespace=NAMESPACE, resource_version=now):
            frames.append((time.monotonic(), kind, pod))
        raise Failed("the watch of the pods ended early")

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch(), name="watch")
        yield frames, set()
        watching.cancel()


def _is_new(kind: str, pod: Obj, before: set[str]) -> bool:
    return kind == "ADDED" and pod["metadata"]["name"] not in before


def _is_bound(kind: str, pod: Obj, made: set[str]) -> bool:
    return kind == "MODIFIED" and pod["metadata"]["name"] in made and bool(pod["spec"].get("nodeName"))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def sizes(pods: int) -> list[int]:
    """Of the sets."""
    whole, rest = divmod(pods, PODS_OF_A_SET)
    return [PODS_OF_A_SET] * whole + ([rest] if rest else [])


def _replica_set(name: str, size: int) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": _pod()["spec"]}
    spec = {"replicas": size, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}


def _pod() -> Obj:
    container = {"name": "main", "image": "simulated", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}


def restart_table(found: Sequence[Restart]) -> Table:
    made = table("What a restart cost", "process", "pods", "caught up s", "CPU s", "lists", "behind CPU s", "MiB")
    for one in found:
        times = (f"{one.caught_up_seconds:.2f}", f"{one.cpu_seconds:.2f}", str(one.lists))
        rest = (f"{one.behind_cpu_seconds:.2f}", f"{one.resident_bytes / 1024**2:.0f}")
        made.add_row(one.process, str(one.pods), *times, *rest)
    for process, (seconds, cpu) in ratios(found).items():
        made.add_row(f"{process}, ratio", "", f"{seconds:.2f}", f"{cpu:.2f}", style="bold")
    return made


def ratios(found: Sequence[Restart]) -> dict[str, tuple[float, float]]:
    """Seconds and CPU seconds with the most pods by those with the fewest, of each process."""
    told = {}
    for process in dict.fromkeys(one.process for one in found):
        own = sorted((one for one in found if one.process == process), key=lambda one: one.pods)
        few, many = own[0], own[-1]
        if few.pods < many.pods:
            told[process] = (many.caught_up_seconds / few.caught_up_seconds, many.cpu_seconds / few.cpu_seconds)
    return told


if __name__ == "__main__":
    typer.run(main)
