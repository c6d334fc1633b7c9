"""A kubelet put together: its nodes, its pods, and the tasks that keep them going.

It needs neither the API server nor the bus to start: the pods that it knows from the disk wait a short while for news
(`disk_head_start_seconds`), then they run without. Where the bus is there and the API server is not, it goes on hearing
changes from where it was (`Agent.restore`).
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

import structlog

from agents.client.events import EventRecorder
from agents.client.resources import NODES, PODS, ResourceRef
from agents.client.rest import RestClient
from agents.client.runtime import Agent
from agents.kubelet import node_object
from agents.kubelet.host import Host
from agents.kubelet.log_requests import LogRequests
from agents.kubelet.machine import free, machine
from agents.kubelet.node_object import Health, NodeFacts
from agents.kubelet.node_reporter import NodeReporter
from agents.kubelet.nodes import Nodes
from agents.kubelet.pod_store import PodStore
from agents.kubelet.pods import Pods
from agents.kubelet.podspec import Obj, uid_of
from agents.kubelet.runtime import PodUid, Runtime
from agents.kubelet.settings import KubeletSettings
from agents.kubelet.status_writer import StatusWriter
from apiserver.api.status import StatusError
from broker.connection import Connection
from broker.node_rpc import Server
from broker.selection import Selection

log = structlog.get_logger(__name__)

COMPONENT = "kubelet"
FETCH_SECONDS = 5.0
"""How long a ConfigMap or Secret is waited for before the copy on disk is taken."""
TOLD_SECONDS = 0.05
ASK_AGAIN_SECONDS = 1.0


class Kubelet:
    def __init__(
        self, settings: KubeletSettings, rest: RestClient, bus: Connection, runtime: Runtime, facts: list[NodeFacts]
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._runtime = runtime
        self._is_real = settings.runtime == "process"
        self._agent = Agent(name=subscriber_name(settings), rest=rest, connection=bus, workers=settings.workers)
        host_name = settings.node_names[0] if len(settings.node_names) == 1 else ""
        self._events = EventRecorder(rest, component=COMPONENT, host=host_name)
        self._nodes = Nodes(self._follow_nodes(), self._reporters(facts))
        informer = self._follow_pods()
        self._pods = Pods(informer, self._nodes.view, workers=settings.workers)
        self._writer = StatusWriter(rest, find=self._pods.find, informer=informer, workers=settings.workers)
        self._pods.use(self._host(facts[0]))
        for controller in (self._nodes, self._pods):
            self._agent.add_controller(controller)
        requests = LogRequests(runtime, self._pod)
        self._servers = [Server(bus, name, {"logs": requests.logs}) for name in settings.node_names]
        self._told = asyncio.Event()
        runtime.listen(self._pods.wake)

    @classmethod
    async def create(cls, settings: KubeletSettings, rest: RestClient, bus: Connection, runtime: Runtime) -> Kubelet:
        """`runtime` has been started."""
        here, version = machine(settings.root_dir), await runtime.version()
        capacity = node_object.capacity(here, settings.capacity, simulated=settings.runtime == "sim")
        facts = [
            NodeFacts(
                name=name,
                address=runtime.node_address(name),
                machine=here,
                runtime=version,
                labels=node_object.labels(name, here, settings.node_labels),
                capacity=capacity,
            )
            for name in settings.node_names
        ]
        return cls(settings, rest, bus, runtime, facts)

    # Parts

    def _follow_pods(self) -> Any:
        """A real node's changes are chosen by the broker; a fleet hears of all pods and takes its own."""
        names = self._settings.node_names
        if len(names) == 1:
            return self._agent.informer(PODS, node=names[0])
        return self._agent.informer(PODS)

    def _follow_nodes(self) -> Any:
        names = self._settings.node_names
        if len(names) == 1:
            return self._agent.informer(NODES, name=names[0])
        return self._agent.informer(NODES)

    def _reporters(self, facts: list[NodeFacts]) -> list[NodeReporter]:
        return [
            NodeReporter(
                one,
                rest=self._rest,
                events=self._events,
                health=self._health,
                beats=self._settings.heartbeats,
                offset=number / len(facts),
            )
            for number, one in enumerate(facts)
        ]

    def _host(self, facts: NodeFacts) -> Host:
        return Host(
            runtime=self._runtime,
            runs_processes=self._is_real,
            may_switch_user=os.geteuid() == 0,
            events=self._events,
            fetch=self._fetch,
            store=PodStore(self._settings.root_dir if self._is_real else None),
            capacity=facts.capacity,
            path=os.environ.get("PATH", ""),
            now=lambda: datetime.now(UTC),
            wake=self._pods.wake,
            report=self._writer.report,
        )

    async def _fetch(self, resource: str, namespace: str, name: str) -> Obj:
        kind = {"configmaps": "ConfigMap", "secrets": "Secret"}[resource]
        async with asyncio.timeout(FETCH_SECONDS):
            return await self._rest.get(ResourceRef("", "v1", resource, kind), name, namespace=namespace)

    async def _health(self) -> Health:
        left = await asyncio.to_thread(free, self._settings.root_dir) if self._is_real else None
        return Health(await self._runtime.status(), left, self._settings.pressure)

    def _pod(self, uid: PodUid) -> Obj | None:
        worker = self._pods.find(uid)
        return worker.pod if worker is not None else None

    # Life

    def selection(self) -> Selection:
        """What it must hear of."""
        return self._agent.selection()

    def health(self) -> tuple[bool, str]:
        """(ready, why not)."""
        if not self._agent.ready:
            return False, self._agent.reason
        missing = self._nodes.unregistered
        if missing:
            return False, f"{len(missing)} nodes are not registered yet, {missing[0]} among them"
        return True, ""

    async def run(self) -> None:
        """Work until cancelled; containers run on then."""
        known = self._pods.load()
        if self._is_real:
            self._agent.restore(PODS, known)
        log.info("kubelet starts", nodes=len(self._settings.node_names), pods=len(self._pods))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._agent.run(), name="agent")
            group.create_task(self._compare(), name="compare")
            group.create_task(self._look_after_pods(), name="pods")
            group.create_task(self._nodes.run(), name="nodes")
            group.create_task(self._writer.run(), name="statuses")
            group.create_task(self._events.run(), name="events")
            for server in self._servers:
                group.create_task(server.run(), name="node-requests")

    async def _compare(self) -> None:
        while not self._agent.ready:
            await asyncio.sleep(TOLD_SECONDS)
        await self._pods.compare()
        self._told.set()
        if self._is_real:
            await self._pods.sweep(await self._alive())

    async def _alive(self) -> set[PodUid]:
        """The node's pods as the API server itself lists them: the bus may have been heard without it."""
        (name,) = self._settings.node_names
        while True:
            try:
                found = await self._rest.list(PODS, field_selector=f"spec.nodeName={name}")
            except StatusError as err:
                log.debug("the sweep waits for the API server", reason=err.message)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            else:
                return {uid_of(pod) for pod in found.items}

    async def _look_after_pods(self) -> None:
        if len(self._pods):
            try:
                async with asyncio.timeout(self._settings.disk_head_start_seconds):
                    await self._told.wait()
            except TimeoutError:
                log.info("the API server is away, the pods known from the disk run without it", pods=len(self._pods))
        await self._pods.run()


def subscriber_name(settings: KubeletSettings) -> str:
    if settings.subscriber:
        return settings.subscriber
    first, more = settings.node_names[0], len(settings.node_names) - 1
    return f"kubelet-{first}-and-{more}" if more else f"kubelet-{first}"
