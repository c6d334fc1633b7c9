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
from agents.controllers.node_lifecycle import NodeLifecycleController
from agents.controllers.pod_garbage import PodGarbageController
from agents.controllers.replicaset import ReplicaSetController
from agents.controllers.serviceaccount import RootCaController, ServiceAccountController
from agents.controllers.settings import ControllerSettings
from agents.controllers.taint_eviction import TaintEvictionController


def build(
    agent: Agent,
    recorder: EventRecorder,
    discovery: Discovery,
    deletable: Sequence[ResourceRef],
    settings: ControllerSettings,
) -> list[Controller]:
    """`deletable`: every resource whose objects can have owners, for the garbage collector."""
    return [
        ServiceAccountController(agent),
        RootCaController(agent),
        NamespaceController(agent, discovery, deletable),
        ReplicaSetController(agent, recorder),
        DeploymentController(agent, recorder),
        NodeLifecycleController(agent, recorder, settings),
        TaintEvictionController(agent, recorder),
        PodGarbageController(agent, settings),
        GarbageController(agent, recorder, deletable),
    ]
