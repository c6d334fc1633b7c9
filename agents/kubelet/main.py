"""The entry of a kubelet's process.

SIGTERM ends the kubelet and leaves the containers running; the next kubelet on the same `root_dir` finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.client.process import Links, connections, run_agent, write_health
from agents.kubelet.addresses import claim_range
from agents.kubelet.kubelet import Kubelet, subscriber_name
from agents.kubelet.process_runtime import ProcessRuntime
from agents.kubelet.runtime import Runtime
from agents.kubelet.settings import KubeletSettings
from agents.kubelet.sim_runtime import SimRuntime

CREDENTIALS = "bus-credentials.json"
PATIENCE_SECONDS = 2.0
"""How long a request is tried again by itself. Short: a kubelet goes on with what it knows."""


def run(settings: KubeletSettings) -> None:
    """Work until SIGTERM or SIGINT. Raises BadKubeconfig, StateDirInUse, AddressesExhausted."""
    run_agent(lambda: serve(settings))


async def serve(settings: KubeletSettings) -> None:
    async with (
        _runtime(settings) as runtime,
        connections(
            settings.kubeconfig,
            settings.nats_url,
            name=subscriber_name(settings),
            keep=settings.root_dir / CREDENTIALS,
            patience_seconds=PATIENCE_SECONDS,
        ) as links,
    ):
        await _serve(settings, links, runtime)


async def _serve(settings: KubeletSettings, links: Links, runtime: Runtime) -> None:
    kubelet = await Kubelet.create(settings, links.rest, links.bus, runtime)
    links.login.join(kubelet.selection())
    async with asyncio.TaskGroup() as group:
        group.create_task(write_health(settings.health_file, kubelet.health), name="health")
        group.create_task(kubelet.run(), name="kubelet")


@asynccontextmanager
async def _runtime(settings: KubeletSettings) -> AsyncIterator[Runtime]:
    settings.root_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    runtime: Runtime
    if settings.runtime == "process":
        network = claim_range(settings.root_dir, settings.node_names[0])
        runtime = ProcessRuntime(settings.root_dir, network=network)
    else:
        runtime = SimRuntime(start_delay_seconds=settings.sim_start_delay_seconds)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close()
