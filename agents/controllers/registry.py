"""Which controllers run. Adding one is a module with a class and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from agents.client.events import EventRecorder
from agents.client.resources import ResourceRef
from agents.client.runtime import Agent, Controller
from agents.controllers.deployment import DeploymentController
from agents.controllers.discovery import Discovery
from agents.controllers.garbage import GarbageController
from agents.controllers.namespace import NamespaceController
from agents.controllers.node_lifecycle import NodeLifecycleController, TaintEvictionController
from agents.controllers.pod_garbage import PodGarbageController
from agents.controllers.replicaset import ReplicaSetController
from agents.controllers.serviceaccount import ServiceAccountController


def build(
    agent: Agent, recorder: EventRecorder, discovery: Discovery, deletable: Sequence[ResourceRef]
) -> list[Controller]:
    """`deletable`: every resource whose objects can have owners, for the garbage collector."""
    return [
        ServiceAccountController(agent),
        NamespaceController(agent, discovery),
        ReplicaSetController(agent, recorder),
        DeploymentController(agent, recorder),
        NodeLifecycleController(agent, recorder),
        TaintEvictionController(agent, recorder),
        PodGarbageController(agent),
        GarbageController(agent, deletable),
    ]
