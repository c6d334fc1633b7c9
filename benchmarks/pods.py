"""How fast pods come to run: 500 pods on 100 simulated nodes, through every part of backbeat.

Client    This process alone. It makes the load over REST and hears of the pods by one HTTP watch, as a user's client
          would; when something happened is when this client heard of it.
Load      `deployment` (the default): one Deployment, so the controllers create the pods.
          `bare`: single pods, created by this client over `--writers` connections side by side.
          Each pod has one container with requests for CPU and memory. When all of them run, the Deployment is deleted
          with propagation in the background, or the collection of bare pods.
Machine   Everything on one: Redis, nats-server, API server, scheduler, controllers, one kubelet process with all the
          nodes (runtime `sim`: containers are not run, everything else is as always), and this client. A commit is
          acknowledged once Redis has it on disk. The machine is printed with the results.
Counted   created: the pod is there. scheduled: it has a node. running: phase Running and condition Ready. gone: its
          object was removed. Seconds run from the first request (for `gone`: from the deletion) to the last pod; the
          rate is pods divided by that. Median, p99 and slowest are of each pod's own time since it was created. CPU
          seconds are user and system of each process from the first request until all pods run; the start of backbeat
          is not in them. Everything is cold: these are the first pods of a new control plane.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from agents.client.config import load as load_kubeconfig
from agents.client.resources import DEPLOYMENTS, PODS
from agents.client.rest import RestClient
from benchmarks.common.costs import Cost, Meter
from benchmarks.common.machine import Machine, this_machine
from benchmarks.common.plane import Failed, Plane, control_plane
from benchmarks.common.podload import (
    CREATED,
    GONE,
    RUNNING,
    SCHEDULED,
    delete_all,
    heard,
    make_bare,
    make_deployment,
    make_namespace,
)
from benchmarks.common.report import OUT, PROGRESS, costs_table, failures_told, table, write_json
from benchmarks.common.stages import Reached, Stages

NAMESPACE = "benchmark"
COMING = (CREATED, SCHEDULED, RUNNING)
LOOK_SECONDS = 0.05


class Load(StrEnum):
    DEPLOYMENT = "deployment"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class Parameters:
    pods: int
    nodes: int
    load: Load
    writers: int
    timeout_seconds: float


class TooSlow(Failed):
    """The time given is over. The message says how far it came."""


def main(
    *,
    pods: Annotated[int, typer.Option(min=1)] = 500,
    nodes: Annotated[int, typer.Option(min=1)] = 100,
    load: Annotated[Load, typer.Option(help="Who creates the pods.")] = Load.DEPLOYMENT,
    writers: Annotated[int, typer.Option(min=1, help="Connections that create bare pods.")] = 32,
    timeout: Annotated[float, typer.Option(help="Seconds after which the run is given up.")] = 600.0,
    json: Annotated[Path | None, typer.Option(help="A file for the results as JSON.")] = None,
) -> None:
    """Start a backbeat with simulated nodes, have it run pods, tell how fast that was, and end everything."""
    parameters = Parameters(pods, nodes, load, writers, timeout)
    machine = this_machine()
    PROGRESS.print(f"starting backbeat with {nodes} simulated nodes ...")
    with failures_told(), control_plane(nodes=nodes) as plane:
        reached, costs = asyncio.run(measure(plane, parameters))
    show(parameters, machine, reached, costs)
    if json is not None:
        results = {one.stage: {**asdict(one), "per_second": one.per_second} for one in reached}
        write_json(json, benchmark="pods", machine=machine, parameters=asdict(parameters), results=results, costs=costs)


async def measure(plane: Plane, parameters: Parameters) -> tuple[Sequence[Reached], Sequence[Cost]]:
    """Raises TooSlow and WatchEnded, in a group."""
    async with RestClient(load_kubeconfig(plane.kubeconfig), user_agent="backbeat-benchmark") as rest:
        await make_namespace(rest, NAMESPACE)
        async with heard(rest, NAMESPACE) as stages:
            processes = plane.processes()
            meter, began = Meter(processes), time.monotonic()
            await _make(rest, parameters)
            await _all(COMING, stages, parameters)
            costs, coming = meter.read(processes), [stages.reached(stage, began=began) for stage in COMING]
            ending = time.monotonic()
            await _delete(rest, parameters)
            await _all((GONE,), stages, parameters)
            return [*coming, stages.reached(GONE, began=ending)], costs


async def _make(rest: RestClient, parameters: Parameters) -> None:
    if parameters.load is Load.BARE:
        await make_bare(rest, NAMESPACE, parameters.pods, writers=parameters.writers)
    else:
        await make_deployment(rest, NAMESPACE, parameters.pods)


async def _delete(rest: RestClient, parameters: Parameters) -> None:
    await delete_all(rest, PODS if parameters.load is Load.BARE else DEPLOYMENTS, NAMESPACE)


async def _all(wanted: Sequence[str], stages: Stages, parameters: Parameters) -> None:
    """Show how far the pods are until all of them have reached these stages."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + parameters.timeout_seconds
    with Progress(*columns, console=PROGRESS) as progress:
        bars = {stage: progress.add_task(stage, total=parameters.pods) for stage in wanted}
        while not _shown(stages, bars, progress, parameters.pods):
            if time.monotonic() > deadline:
                counts = ", ".join(f"{stages.count(stage)} {stage}" for stage in wanted)
                raise TooSlow(f"after {parameters.timeout_seconds:g} s of {parameters.pods} pods: {counts}")
            await asyncio.sleep(LOOK_SECONDS)


def _shown(stages: Stages, bars: dict[str, TaskID], progress: Progress, pods: int) -> bool:
    """True when all are there."""
    for stage, bar in bars.items():
        progress.update(bar, completed=stages.count(stage))
    return all(stages.count(stage) >= pods for stage in bars)


def show(parameters: Parameters, machine: Machine, reached: Sequence[Reached], costs: Sequence[Cost]) -> None:
    by = "one Deployment" if parameters.load is Load.DEPLOYMENT else f"{parameters.writers} writers"
    OUT.print(f"[bold]{parameters.pods} pods on {parameters.nodes} simulated nodes, created by {by}[/]")
    OUT.print(machine.line, soft_wrap=True)
    OUT.print("", _stages_table(reached), "", costs_table(costs, per=parameters.pods, unit="pod"), sep="\n")


def _stages_table(reached: Sequence[Reached]) -> Table:
    made = table("How fast", "pods", "count", "seconds", "pods/s", "median s", "p99 s", "slowest s")
    for one in reached:
        own = (one.median_seconds, one.p99_seconds, one.slowest_seconds)
        since = [f"{seconds:.2f}" for seconds in own] if one.stage in (SCHEDULED, RUNNING) else []
        made.add_row(one.stage, str(one.count), f"{one.seconds:.2f}", f"{one.per_second:.0f}", *since)
    return made


if __name__ == "__main__":
    typer.run(main)
