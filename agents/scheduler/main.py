"""The entry of the scheduler's process."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agents.client.election import Election
from agents.client.events import EventRecorder
from agents.client.memory import state_file
from agents.client.process import Links, connections, run_agent, write_health
from agents.client.resources import PODS
from agents.client.runtime import Agent
from agents.scheduler.commands import Commands
from agents.scheduler.queue import PodQueue
from agents.scheduler.scheduler import Scheduler
from agents.scheduler.settings import SchedulerSettings

NAME = "scheduler"
LEASE = "kube-scheduler"
COMPONENT = "default-scheduler"
WORKERS = 16
"""They only wait until pods are dealt with, so that their changes can be acknowledged."""


def run(settings: SchedulerSettings) -> None:
    """Work until SIGTERM or SIGINT. Raises BadKubeconfig, LostLeadership."""
    run_agent(lambda: serve(settings))


async def serve(settings: SchedulerSettings) -> None:
    state = {"ready": False, "reason": "waiting to lead"}
    async with connections(settings.kubeconfig, settings.nats_url, name=settings.subscriber) as links:
        health = asyncio.create_task(
            write_health(settings.health_file, lambda: (bool(state["ready"]), str(state["reason"]))), name="health"
        )
        try:
            if settings.leader_elect:
                election = Election(links.rest, name=LEASE, identity=settings.identity)
                leading = replace(links, rest=links.rest.guarded(lambda: election.sure, fence=lambda: election.fence))
                await election.lead(lambda: _work(settings, leading, state))
            else:
                await _work(settings, links, state)
        finally:
            health.cancel()
            await asyncio.gather(health, return_exceptions=True)


async def _work(settings: SchedulerSettings, links: Links, state: dict[str, object]) -> None:
    agent = Agent(
        name=settings.subscriber,
        rest=links.rest,
        connection=links.bus,
        workers=WORKERS,
        state_file=state_file(settings.state_dir, settings.subscriber),
        whole_view=True,
    )
    recorder = EventRecorder(links.rest, component=COMPONENT)
    scheduler = build(settings, agent, recorder)
    links.login.join(agent.selection())
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run(), name="events")
        group.create_task(_report(agent, state), name="report")
        group.create_task(scheduler.run(), name="schedule")
        group.create_task(agent.run(), name="agent")


def build(settings: SchedulerSettings, agent: Agent, recorder: EventRecorder) -> Scheduler:
    """The scheduler, listening by `agent`. Nothing runs yet."""
    queue = PodQueue(
        initial_backoff=settings.initial_backoff_seconds,
        max_backoff=settings.max_backoff_seconds,
        parked_seconds=settings.parked_seconds,
    )
    commands = Commands(agent.rest, recorder, agent.informer(PODS))
    scheduler = Scheduler(commands, queue, bindings=settings.bindings, now=asyncio.get_running_loop().time)
    agent.add_controller(scheduler)
    return scheduler


async def _report(agent: Agent, state: dict[str, object]) -> None:
    while True:
        state["ready"], state["reason"] = agent.ready, agent.reason
        await asyncio.sleep(0.2)
