"""Everybody who can hear of changes, as crews of client processes: HTTP watchers, durable subscribers, listeners to
live subjects, and watchers of etcd. Each is connected, and has heard nothing, when its block begins.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from agents.client.resources import SUBSCRIPTIONS
from agents.client.rest import RestClient
from benchmarks.common.crew import Crew, Told, crew, processes_for, shares
from benchmarks.common.etcd import Etcd
from benchmarks.common.servers import HOST, Servers
from broker import subjects

SIDE_BY_SIDE = 16
"""Subscriptions that are made at a time."""

_CREDENTIALS = {"apiVersion": SUBSCRIPTIONS.api_version, "kind": "SubscriptionCredentials", "spec": {}}

Obj = dict[str, Any]


def watchers(servers: Servers, namespace: str, count: int) -> AbstractAsyncContextManager[Crew]:
    """Each watches the ConfigMaps of a namespace over HTTP."""
    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=1"
    return _spread(count, {"kind": "watch", "server": servers.api, "path": path})


def etcd_watchers(etcd: Etcd, prefix: str, count: int) -> AbstractAsyncContextManager[Crew]:
    """Each watches the keys below a prefix."""
    return _spread(
        count, {"kind": "etcd-watch", "host": HOST, "port": etcd.port, "ca_file": etcd.ca_file, "prefix": prefix}
    )


@asynccontextmanager
async def listeners(servers: Servers, namespace: str, count: int) -> AsyncIterator[Crew]:
    """Each hears the live subjects of a namespace's ConfigMaps, with the credentials of one Subscription."""
    [told] = await subscriptions(servers, [_of_config_maps("live", namespace)], lambda _: None)
    subject = subjects.live(subjects.filter_for(group="", resource="configmaps", namespace=namespace))
    job = {"kind": "live", "host": HOST, "port": servers.nats_port, "credentials": told["credentials"]}
    async with _spread(count, {**job, "subject": subject}) as made:
        yield made


@asynccontextmanager
async def subscribers(servers: Servers, namespace: str, count: int, told: Told) -> AsyncIterator[Crew]:
    """Each reads a durable Subscription of its own to the ConfigMaps of a namespace."""
    wanted = [_of_config_maps(f"all-{number}", namespace) for number in range(count)]
    async with _durable(servers, await subscriptions(servers, wanted, told)) as made:
        yield made


@asynccontextmanager
async def node_subscribers(servers: Servers, nodes: Sequence[str], told: Told) -> AsyncIterator[Crew]:
    """Each reads a durable Subscription to the pods of one node, as its kubelet would."""
    pods = [{"group": "", "resource": "pods"}]
    wanted = [_subscription(f"node-{node}", {"resources": pods, "node": node}) for node in nodes]
    async with _durable(servers, await subscriptions(servers, wanted, told)) as made:
        yield made


def _of_config_maps(name: str, namespace: str) -> Obj:
    return _subscription(
        f"{namespace}-{name}", {"resources": [{"group": "", "resource": "configmaps"}], "namespace": namespace}
    )


def _subscription(name: str, spec: Obj) -> Obj:
    return {
        "apiVersion": SUBSCRIPTIONS.api_version,
        "kind": SUBSCRIPTIONS.kind,
        "metadata": {"name": name},
        "spec": spec,
    }


async def subscriptions(servers: Servers, wanted: Sequence[Obj], told: Told) -> list[Obj]:
    """Make them, and ask for credentials for each; what the API server told."""
    answers: dict[int, Obj] = {}
    numbered: Iterator[tuple[int, Obj]] = iter(enumerate(wanted))

    async def make(rest: RestClient) -> None:
        for number, obj in numbered:
            name = obj["metadata"]["name"]
            await rest.create(SUBSCRIPTIONS, obj)
            answer = await rest.create(SUBSCRIPTIONS, _CREDENTIALS, name=name, subresource="credentials")
            answers[number] = answer["status"]
            told(len(answers))

    async with servers.rest() as rest, asyncio.TaskGroup() as group:
        for _ in range(SIDE_BY_SIDE):
            group.create_task(make(rest), name="subscribing")
    return [answers[number] for number in range(len(wanted))]


def _durable(servers: Servers, told: Sequence[Obj]) -> AbstractAsyncContextManager[Crew]:
    file = servers.folder / "places.jsonl"
    file.write_text("".join(json.dumps(_place(one)) + "\n" for one in told))
    job = {"kind": "durable", "host": HOST, "port": servers.nats_port, "places_file": str(file)}
    return crew(
        [{**job, "first": first, "count": count} for first, count in shares(len(told), processes_for(len(told)))]
    )


def _place(told: Obj) -> Obj:
    return {
        "credentials": told["credentials"],
        "stream": told["stream"],
        "consumer": told["consumer"],
        "inbox_prefix": told["inboxPrefix"],
    }


def _spread(count: int, job: Obj) -> AbstractAsyncContextManager[Crew]:
    return crew([{**job, "count": part} for _, part in shares(count, processes_for(count))])
