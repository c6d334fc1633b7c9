"""How fast everybody hears of a change: HTTP watchers, durable subscribers, listeners to live subjects, etcd watchers.

Clients   Processes of their own that read raw bytes (`benchmarks/clients/`), one connection for each watcher. HTTP
          watchers and listeners compare what comes with what the others got and count it afterwards; durable
          subscribers take each message apart, acknowledge with every read, and keep a request open, as
          `broker.subscriber` does. The share of all CPU seconds that clients took is told with each figure.
Load      ConfigMaps with 700 bytes of data, created over TLS by 32 connections: as fast as they are answered (`burst`),
          and at a fixed rate. The watchers are connected before. The last row is another load: pods created at a fixed
          rate, each bound to one of thousands of nodes, whose kubelet has a Subscription to its own pods.
Servers   Redis (a commit is acknowledged once it is on disk), nats-server (signed credentials only) and one API server,
          with TLS, authentication by token, authorization, validation, the relay and subscriptions. No agents. Each
          kind of watcher has servers of its own, started for it. etcd: one member, TLS, its defaults, which also write
          to disk before they answer; the same JSON is put under as many keys.
Machine   Everything on one, clients too. It is printed with the results.
Counted   A delivery is a change that one watcher received whole. missing: expected and not received within 10 s after
          the last that came. twice: received again. cut off: connections that the server ended. Times run from the
          moment when the writer sent the request, on the clock that all processes of a machine share, to the read that
          completed the frame: so the request's own way and the commit are in them. deliveries/s: until the last
          delivery. Per server CPU second: user and system time of Redis, nats-server and API server (or etcd) over the
          same time, so the CPU that the writes cost is in it. MiB: what these hold in memory at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import etcd, hearers
from benchmarks.common.crew import Crew, Told
from benchmarks.common.deliveries import Deliveries, Load, deliveries_table, measure
from benchmarks.common.machine import Machine, this_machine
from benchmarks.common.page import write_page
from benchmarks.common.plots import NoMatplotlib
from benchmarks.common.report import OUT, PROGRESS, as_text, failures_told, write_json
from benchmarks.common.servers import Servers, servers
from benchmarks.common.steps import Steps, steps
from benchmarks.common.writers import Writers, creates, etcd_writers, writers


class Kind(StrEnum):
    HTTP = "http"
    SUBSCRIPTIONS = "subscriptions"
    SUBJECTS = "subjects"
    ETCD = "etcd"
    NODES = "nodes"


NAMES = {
    Kind.HTTP: "HTTP watch",
    Kind.SUBSCRIPTIONS: "Subscription",
    Kind.SUBJECTS: "live subject",
    Kind.ETCD: "etcd watch",
    Kind.NODES: "Subscription of a node",
}


@dataclass(frozen=True, slots=True)
class Parameters:
    kinds: tuple[Kind, ...]
    watchers: tuple[int, ...]
    most_events: int
    most_deliveries: int
    per_second: float
    seconds: float
    nodes: int
    node_events_per_second: float

    def burst(self, watchers: int) -> int:
        """How many events: with many watchers fewer, so that a run takes seconds."""
        return max(1, min(self.most_events, self.most_deliveries // watchers))

    @property
    def steady(self) -> int:
        return max(1, round(self.per_second * self.seconds))


def main(
    *,
    kinds: Annotated[str, typer.Option(help="Some of http, subscriptions, subjects, etcd, nodes.")] = ",".join(Kind),
    watchers: Annotated[str, typer.Option(help="How many, separated by commas.")] = "10,100,1000",
    events: Annotated[int, typer.Option(min=1, help="Created in a burst, at most.")] = 2000,
    deliveries: Annotated[int, typer.Option(min=1, help="Of a burst, at most: it is made shorter.")] = 500_000,
    rate: Annotated[float, typer.Option(min=1, help="Events a second at a fixed rate.")] = 100.0,
    seconds: Annotated[float, typer.Option(help="How long at the fixed rate.")] = 5.0,
    nodes: Annotated[int, typer.Option(min=1, help="Subscriptions to one node's pods each.")] = 5000,
    node_rate: Annotated[float, typer.Option(min=1, help="Pods a second for all nodes together.")] = 500.0,
    json: Annotated[Path | None, typer.Option(help="A file for the results as JSON.")] = None,
    plots: Annotated[Path | None, typer.Option(help="A folder for a plot as PNG and a page that shows all.")] = None,
) -> None:
    """Start servers, have many hear of what is written, tell how fast that was, and end everything."""
    parameters = Parameters(
        tuple(Kind(kind) for kind in kinds.split(",")),
        tuple(int(count) for count in watchers.split(",")),
        events, deliveries, rate, seconds, nodes, node_rate,
    )  # fmt: skip
    machine = this_machine()
    with failures_told(), steps() as shown:
        rows = asyncio.run(measure_all(parameters, shown))
    OUT.print(machine.line, soft_wrap=True)
    OUT.print("", deliveries_table("Fan-out", rows), sep="\n")
    results = {row.name: row.told() for row in rows}
    if json is not None:
        write_json(json, benchmark="fanout", machine=machine, parameters=asdict(parameters), results=results)
    if plots is not None:
        _draw(plots, results, machine, rows)


def _draw(folder: Path, results: dict[str, Any], machine: Machine, rows: list[Deliveries]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{machine.line}\n\n{as_text(deliveries_table('Fan-out', rows))}"
    try:
        write_page(folder, {"fanout": {"results": results}}, {"fanout": text})
    except NoMatplotlib as err:
        PROGRESS.print(str(err))


async def measure_all(parameters: Parameters, shown: Steps) -> list[Deliveries]:
    """Raises Failed."""
    rows: list[Deliveries] = []
    for kind in parameters.kinds:
        if kind is Kind.ETCD:
            rows += await _etcd(parameters, shown)
        elif kind is Kind.NODES:
            rows += await _nodes(parameters, shown)
        else:
            rows += await _backbeat(kind, parameters, shown)
    return rows


async def _backbeat(kind: Kind, parameters: Parameters, shown: Steps) -> list[Deliveries]:
    rows: list[Deliveries] = []
    async with AsyncExitStack() as stack:
        with shown.step(f"{NAMES[kind]}: start Redis, NATS and API server"):
            running = await stack.enter_async_context(servers())
            writing = await stack.enter_async_context(writers(running))
        for count in parameters.watchers:
            namespace = f"{kind}-{count}"
            await running.make_namespace(namespace)
            async with AsyncExitStack() as hearing:
                with shown.step(f"{NAMES[kind]}: {count:,} connect", count) as told:
                    crew = await hearing.enter_async_context(_hearers(kind, running, namespace, count, told))
                order = creates("configmaps", namespace, "config-map", "cm").order
                rows += [
                    await _row(NAMES[kind], crew, writing, load, count, running.processes, shown)
                    for load in _loads(order, parameters, count)
                ]
    return rows


def _hearers(kind: Kind, running: Servers, namespace: str, count: int, told: Told) -> AbstractAsyncContextManager[Crew]:
    match kind:
        case Kind.HTTP:
            return hearers.watchers(running, namespace, count)
        case Kind.SUBSCRIPTIONS:
            return hearers.subscribers(running, namespace, count, told)
        case Kind.SUBJECTS:
            return hearers.listeners(running, namespace, count)
    raise ValueError(kind)


def _loads(order: dict[str, Any], parameters: Parameters, watchers: int) -> tuple[Load, Load]:
    burst = parameters.burst(watchers)
    return Load(order, burst), Load(order, parameters.steady, parameters.per_second, first=burst)


async def _row(
    what: str, crew: Crew, writing: Writers, load: Load, count: int, processes: Mapping[str, int], shown: Steps
) -> Deliveries:
    with shown.step(f"{what}: {count:,} watchers, {load.events:,} events, {load.pace}", count * load.events) as told:
        return await measure(what, crew, writing, load, watchers=count, processes=processes, told=told)


async def _etcd(parameters: Parameters, shown: Steps) -> list[Deliveries]:
    program = etcd.binary()
    if program is None:
        PROGRESS.print("etcd is left out: there is none on the PATH (Debian: apt install etcd-server)")
        return []
    rows: list[Deliveries] = []
    async with etcd.etcd(program) as running, etcd_writers(running) as writing:
        what = f"{NAMES[Kind.ETCD]} {etcd.version(program)}"
        for count in parameters.watchers:
            prefix = f"/registry/configmaps/etcd-{count}/"
            async with AsyncExitStack() as hearing:
                with shown.step(f"{what}: {count:,} connect", count):
                    crew = await hearing.enter_async_context(hearers.etcd_watchers(running, prefix, count))
                rows += [
                    await _row(what, crew, writing, load, count, {"etcd": running.pid}, shown)
                    for load in _loads({"prefix": prefix}, parameters, count)
                ]
    return rows


async def _nodes(parameters: Parameters, shown: Steps) -> list[Deliveries]:
    """Pod number n is bound to node n, and heard by that node's kubelet alone."""
    what, count = NAMES[Kind.NODES], parameters.nodes
    rate = parameters.node_events_per_second
    events = min(count, round(rate * parameters.seconds))
    async with AsyncExitStack() as stack:
        with shown.step(f"{what}: start Redis, NATS and API server"):
            running = await stack.enter_async_context(servers())
            writing = await stack.enter_async_context(writers(running))
        await running.make_namespace("nodes")
        with shown.step(f"{what}: {count:,} subscribe and connect", count) as told:
            nodes = [f"node-{number:07d}" for number in range(count)]
            crew = await stack.enter_async_context(hearers.node_subscribers(running, nodes, told))
        load = Load(creates("pods", "nodes", "pod", "pod", "node-<number>").order, events, rate)
        with shown.step(f"{what}: {events:,} pods, {rate:g}/s", events) as told:
            return [
                await measure(
                    what, crew, writing, load,
                    watchers=count, each_hears_all=False, processes=running.processes, told=told,
                )
            ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
