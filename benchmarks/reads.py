"""How fast API servers answer reads, and how soon a fresh one is ready on many objects.

Clients   Processes of their own that send and read raw bytes over TLS (`benchmarks/clients/`). Gets come over 32
          connections that are kept, each with the next request as soon as the answer is there; lists over one, so that
          a time is that of a list alone. Objects of lists are counted, after the time was taken.
Load      2,000 ConfigMaps with 700 bytes of data: got one by one, listed whole, listed by a label that every tenth has.
          150,000 ConfigMaps with some 40 bytes of data: listed in pages of 500. Then the API server is killed, and
          another one starts on what is there.
Servers   Redis, nats-server and one API server, with TLS, authentication by token, authorization and the relay. No
          agents. The 150,000 have servers of their own.
Machine   Everything on one, clients too. It is printed with the results.
Counted   per second: until the last answer. Per server CPU second: user and system time of Redis, nats-server and API
          server over the same time. p50, p99, max: from sending a request to its whole answer; a page is a request.
          MiB held: by Redis, nats-server and API server at the end. Cold start: seconds from the start of the process
          until /readyz answers 200, its CPU seconds until then, those of Redis and nats-server, and its memory then. A
          list right after it must hold every object, or there is no result.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.clients.marks import GROUPS
from benchmarks.common.coldstart import ColdStart, cold_start, cold_start_table
from benchmarks.common.listing import lister, measure_lists
from benchmarks.common.machine import this_machine
from benchmarks.common.report import OUT, failures_told, write_json
from benchmarks.common.requests import Answered, measure, requests_table
from benchmarks.common.servers import Servers, servers
from benchmarks.common.steps import Steps, steps
from benchmarks.common.stream import stream_end
from benchmarks.common.writers import Pacing, Requests, creates, writers

NAMESPACE = "reads"
PAGE = 500
_CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


@dataclass(frozen=True, slots=True)
class Parameters:
    objects: int
    gets: int
    lists: int
    many: int
    readers: int


def main(
    *,
    objects: Annotated[int, typer.Option(min=1, help="ConfigMaps with 700 bytes of data.")] = 2000,
    gets: Annotated[int, typer.Option(min=1, help="How many gets.")] = 20_000,
    lists: Annotated[int, typer.Option(min=1, help="How many lists of each kind.")] = 100,
    many: Annotated[int, typer.Option(min=1, help="Small ConfigMaps, for pages and for the cold start.")] = 150_000,
    readers: Annotated[int, typer.Option(min=1, help="Connections that get.")] = 32,
    json: Annotated[Path | None, typer.Option(help="A file for the results as JSON.")] = None,
) -> None:
    """Start servers, fill them, read, tell how fast that was, and end everything."""
    parameters = Parameters(objects, gets, lists, many, readers)
    machine = this_machine()
    with failures_told(), steps() as shown:
        rows, start = asyncio.run(measure_all(parameters, shown))
    OUT.print(machine.line, soft_wrap=True)
    OUT.print("", requests_table("Reads", rows), "", cold_start_table(start), sep="\n")
    if json is not None:
        results: dict[str, Any] = {row.what: row.told() for row in rows}
        write_json(
            json,
            benchmark="reads",
            machine=machine,
            parameters=asdict(parameters),
            results={**results, "cold start": start.told()},
        )


async def measure_all(parameters: Parameters, shown: Steps) -> tuple[list[Answered], ColdStart]:
    """Raises Failed."""
    rows = await _of_some(parameters, shown)
    paged, start = await _of_many(parameters, shown)
    return [*rows, paged], start


async def _of_some(parameters: Parameters, shown: Steps) -> list[Answered]:
    objects, rounds = parameters.objects, parameters.lists
    async with AsyncExitStack() as stack:
        running = await _filled(stack, objects, "config-map", shown)
        sending = await stack.enter_async_context(writers(running, connections=parameters.readers))
        get = Requests("GET", f"{_CONFIG_MAPS}/cm-{{number}}", objects=objects)
        with shown.step("get", parameters.gets) as told:
            rows = [await measure("get a ConfigMap", running, sending, get, Pacing(parameters.gets), told=told)]
        listing = await stack.enter_async_context(lister(running))
        labelled = len(range(1, objects, GROUPS))
        by_label = f"list {labelled:,} of them by label"
        asked = ((f"list {objects:,}", "", objects), (by_label, "?labelSelector=group%3D1", labelled))
        for what, query, found in asked:
            with shown.step(what, rounds) as told:
                path = f"{_CONFIG_MAPS}{query}"
                rows.append(await measure_lists(what, running, listing, path, rounds=rounds, objects=found, told=told))
    return rows


async def _of_many(parameters: Parameters, shown: Steps) -> tuple[Answered, ColdStart]:
    many, path = parameters.many, f"{_CONFIG_MAPS}?limit={PAGE}"
    async with AsyncExitStack() as stack:
        running = await _filled(stack, many, "small-config-map", shown)
        async with lister(running) as listing:
            what = f"list {many:,} in pages of {PAGE}"
            with shown.step(what, -(-many // PAGE)) as told:
                paged = await measure_lists(what, running, listing, path, rounds=1, objects=many, told=told)
        with shown.step(f"an API server starts on {many:,} objects"):
            start = await cold_start(running, objects=many)
        async with lister(running) as listing:  # ready means that all of it is there, not that it will be
            with shown.step("all of them are listed again", -(-many // PAGE)) as told:
                await measure_lists("after the start", running, listing, path, rounds=1, objects=many, told=told)
        return paged, start


async def _filled(stack: AsyncExitStack, objects: int, body: str, shown: Steps) -> Servers:
    with shown.step("start Redis, NATS and API server"):
        running = await stack.enter_async_context(servers())
        await running.make_namespace(NAMESPACE)
    with shown.step(f"{objects:,} ConfigMaps are created", objects) as told:
        async with stream_end(running) as end, writers(running) as filling:
            before = await end.settled()
            await filling.run(creates("configmaps", NAMESPACE, body, "cm").order, Pacing(objects), told=told)
            await end.reached(before + objects)
    return running


if __name__ == "__main__":
    typer.run(main)
