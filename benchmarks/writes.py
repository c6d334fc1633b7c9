"""How fast API servers take writes: ConfigMaps created, updated and patched, Pods created.

Clients   Processes of their own that send raw bytes over TLS (`benchmarks/clients/`): 32 connections that are kept,
          each with the next request as soon as the answer is there. The share of all CPU seconds that they took is told
          with each figure.
Load      ConfigMaps with 700 bytes of data: created, then replaced (PUT), then changed by merge patches of some 60
          bytes, each a different object. Small Pods: one container with requests, one label, not bound. Then the same
          creates with two API servers on one port (`--api-servers`).
Servers   Redis (a commit is acknowledged once it is on disk), nats-server and API server, with TLS, authentication by
          token, authorization, validation, admission and the relay. Nobody watches. No agents.
Machine   Everything on one, clients too. It is printed with the results.
Counted   per second: until the last answer. Per server CPU second: user and system time of Redis, nats-server and API
          servers from the first request until everything is published in the stream. p50, p99, max: from sending a
          request to its whole answer. published after: from the last answer until the stream has the last change (asked
          every 5 ms). KiB: an answer's body. MiB held: by Redis, nats-server and API servers at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.machine import this_machine
from benchmarks.common.report import OUT, failures_told, write_json
from benchmarks.common.requests import Answered, measure, requests_table
from benchmarks.common.servers import servers
from benchmarks.common.steps import Steps, steps
from benchmarks.common.stream import stream_end
from benchmarks.common.writers import Pacing, Requests, creates, writers

NAMESPACE = "writes"
_MERGE = "application/merge-patch+json"
_ONE = f"/api/v1/namespaces/{NAMESPACE}/configmaps/cm-{{number}}"


@dataclass(frozen=True, slots=True)
class Parameters:
    burst: int
    count: int
    api_servers: int
    writers: int


def main(
    *,
    burst: Annotated[int, typer.Option(min=1, help="ConfigMaps created.")] = 20_000,
    count: Annotated[int, typer.Option(min=1, help="Of everything else; not more than the burst.")] = 10_000,
    api_servers: Annotated[int, typer.Option(min=1, help="In the second half; 1: no second half.")] = 2,
    writers: Annotated[int, typer.Option(min=1, help="Connections.")] = 32,
    json: Annotated[Path | None, typer.Option(help="A file for the results as JSON.")] = None,
) -> None:
    """Start servers, write as fast as they answer, tell how fast that was, and end everything."""
    parameters = Parameters(burst, min(count, burst), api_servers, writers)
    machine = this_machine()
    with failures_told(), steps() as shown:
        rows = asyncio.run(measure_all(parameters, shown))
    OUT.print(machine.line, soft_wrap=True)
    OUT.print("", requests_table(f"Writes by {writers} writers", rows), sep="\n")
    if json is not None:
        write_json(
            json,
            benchmark="writes",
            machine=machine,
            parameters=asdict(parameters),
            results={row.what: row.told() for row in rows},
        )


def with_one(parameters: Parameters) -> Sequence[tuple[str, Requests, int]]:
    config_map = ("config-map", "cm")
    return (
        ("create ConfigMaps", creates("configmaps", NAMESPACE, *config_map), parameters.burst),
        ("update ConfigMaps", Requests("PUT", _ONE, config_map), parameters.count),
        ("patch ConfigMaps", Requests("PATCH", _ONE, ("data-patch",), _MERGE), parameters.count),
        ("create Pods", creates("pods", NAMESPACE, "pod", "pod"), parameters.count),
    )


def with_several(parameters: Parameters) -> Sequence[tuple[str, Requests, int]]:
    by = f", {parameters.api_servers} API servers"
    return (
        (f"create ConfigMaps{by}", creates("configmaps", NAMESPACE, "config-map", "cm"), parameters.count),
        (f"create Pods{by}", creates("pods", NAMESPACE, "pod", "pod"), parameters.count),
    )


async def measure_all(parameters: Parameters, shown: Steps) -> list[Answered]:
    """Raises Failed."""
    rows = await _measure(with_one(parameters), parameters, 1, shown)
    if parameters.api_servers > 1:
        rows += await _measure(with_several(parameters), parameters, parameters.api_servers, shown)
    return rows


async def _measure(
    loads: Sequence[tuple[str, Requests, int]], parameters: Parameters, api_servers: int, shown: Steps
) -> list[Answered]:
    rows = []
    async with AsyncExitStack() as stack:
        with shown.step(f"start Redis, NATS and {api_servers} API server{'s' * (api_servers > 1)}"):
            running = await stack.enter_async_context(servers(api_servers=api_servers))
            await running.make_namespace(NAMESPACE)
            end = await stack.enter_async_context(stream_end(running))
            sending = await stack.enter_async_context(writers(running, connections=parameters.writers))
        for what, requests, count in loads:
            with shown.step(what, count) as told:
                rows.append(await measure(what, running, sending, requests, Pacing(count), end=end, told=told))
    return rows


if __name__ == "__main__":
    typer.run(main)
