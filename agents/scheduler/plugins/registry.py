"""Which plugins are asked, in this order. Adding one is a module with a class and a line here.

The order is upstream's: a node is reported with the reasons of the first plugin that refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.scheduler.framework import Plugin
from agents.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from agents.scheduler.plugins.node_affinity import NodeAffinity
from agents.scheduler.plugins.node_affinity_names import NodeAffinityNames
from agents.scheduler.plugins.node_name import NodeName
from agents.scheduler.plugins.node_ports import NodePorts
from agents.scheduler.plugins.node_resources_balanced import NodeResourcesBalancedAllocation
from agents.scheduler.plugins.node_resources_fit import NodeResourcesFit
from agents.scheduler.plugins.node_unschedulable import NodeUnschedulable
from agents.scheduler.plugins.pod_topology_spread import PodTopologySpread
from agents.scheduler.plugins.taint_toleration import TaintToleration

PLUGINS: Sequence[Plugin] = (
    NodeAffinityNames(),
    NodeUnschedulable(),
    NodeName(),
    TaintToleration(),
    NodeAffinity(),
    NodePorts(),
    NodeResourcesFit(),
    PodTopologySpread(),
    InterPodAffinity(),
    NodeResourcesBalancedAllocation(),
)
