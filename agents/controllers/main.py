"""The entry of the controllers' process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog

from agents.client.election import Election
from agents.client.events import EventRecorder
from agents.client.memory import state_file
from agents.client.process import Links, connections, run_agent, write_health
from agents.client.resources import ResourceRef
from agents.client.runtime import Agent
from agents.controllers.discovery import Discovery
from agents.controllers.registry import build
from agents.controllers.settings import ControllerSettings
from apiserver.api.status import StatusError

log = structlog.get_logger(__name__)

NAME = "controllers"
LEASE = "kube-controller-manager"
_NEVER_OWNED = frozenset({"events"})
_DISCOVER_AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class _State:
    """What is known of this process's health."""

    election: Election | None = None
    agent: Agent | None = None

    def health(self) -> tuple[bool, str]:
        """One that stands by while another leads is as well as one that leads."""
        if self.agent is not None:
            return self.agent.ready, self.agent.reason
        if self.election is not None and self.election.holder and not self.election.leading:
            return True, f"{self.election.holder} leads"
        return False, "waiting to lead"


def run(settings: ControllerSettings) -> None:
    """Work until SIGTERM or SIGINT. Raises BadKubeconfig, LostLeadership."""
    run_agent(lambda: serve(settings))


async def serve(settings: ControllerSettings) -> None:
    """Stand for election and work. Raises LostLeadership: the process should end and stand again."""
    state = _State()
    async with connections(settings.kubeconfig, settings.nats_url, name=NAME) as links:
        health = asyncio.create_task(write_health(settings.health_file, state.health), name="health")
        try:
            if settings.leader_elect:
                election = state.election = Election(links.rest, name=LEASE, identity=settings.identity)
                leading = replace(links, rest=links.rest.guarded(lambda: election.sure, fence=lambda: election.fence))
                await election.lead(lambda: _work(settings, leading, state))
            else:
                await _work(settings, links, state)
        finally:
            health.cancel()
            await asyncio.gather(health, return_exceptions=True)


async def _work(settings: ControllerSettings, links: Links, state: _State) -> None:
    discovery = Discovery(links.rest)
    deletable = await _deletable(discovery)
    agent = state.agent = Agent(
        name=NAME,
        rest=links.rest,
        connection=links.bus,
        workers=settings.workers,
        state_file=state_file(settings.state_dir, NAME),
    )
    recorder = EventRecorder(links.rest, component=LEASE)
    for controller in build(agent, recorder, discovery, deletable, settings):
        agent.add_controller(controller)
    links.login.join(agent.selection())
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run(), name="events")
        group.create_task(agent.run(), name="agent")


async def _deletable(discovery: Discovery) -> list[ResourceRef]:
    while True:
        try:
            return [ref for ref in await discovery.all() if ref.resource not in _NEVER_OWNED]
        except StatusError as err:
            log.info("controllers wait for discovery", reason=err.message)
            await asyncio.sleep(_DISCOVER_AGAIN_SECONDS)
