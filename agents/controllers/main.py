"""The entry of the controllers' process."""

from __future__ import annotations

import asyncio

from agents.client.election import Election
from agents.client.events import EventRecorder
from agents.client.process import connections, run_agent, write_health
from agents.client.resources import ResourceRef
from agents.client.rest import RestClient
from agents.client.runtime import Agent
from agents.controllers.discovery import Discovery
from agents.controllers.registry import build
from agents.controllers.settings import ControllerSettings
from apiserver.api.status import StatusError
from broker.connection import Connection

NAME = "controllers"
LEASE = "kube-controller-manager"
_NEVER_OWNED = frozenset({"events"})


def run(settings: ControllerSettings) -> None:
    """Work until SIGTERM or SIGINT. Raises BadKubeconfig, LostLeadership."""
    run_agent(lambda: serve(settings))


async def serve(settings: ControllerSettings) -> None:
    state = {"ready": False, "reason": "waiting to lead"}
    async with connections(settings.kubeconfig, settings.nats_url.get_secret_value(), name=NAME) as (rest, bus):
        health = asyncio.create_task(
            write_health(settings.health_file, lambda: (bool(state["ready"]), str(state["reason"]))), name="health"
        )
        try:
            if settings.leader_elect:
                election = Election(rest, name=LEASE, identity=settings.identity)
                await election.lead(lambda: _work(settings, rest, bus, state))
            else:
                await _work(settings, rest, bus, state)
        finally:
            health.cancel()
            await asyncio.gather(health, return_exceptions=True)


async def _work(settings: ControllerSettings, rest: RestClient, bus: Connection, state: dict[str, object]) -> None:
    discovery = Discovery(rest)
    deletable = await _deletable(discovery)
    agent = Agent(name=NAME, rest=rest, connection=bus, workers=settings.workers)
    recorder = EventRecorder(rest, component=LEASE)
    for controller in build(agent, recorder, discovery, deletable):
        agent.add_controller(controller)
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run(), name="events")
        group.create_task(_report(agent, state), name="report")
        group.create_task(agent.run(), name="agent")


async def _deletable(discovery: Discovery) -> list[ResourceRef]:
    while True:
        try:
            return [ref for ref in await discovery.all() if ref.resource not in _NEVER_OWNED]
        except StatusError:
            await asyncio.sleep(0.2)


async def _report(agent: Agent, state: dict[str, object]) -> None:
    while True:
        state["ready"], state["reason"] = agent.ready, agent.reason
        await asyncio.sleep(0.2)
