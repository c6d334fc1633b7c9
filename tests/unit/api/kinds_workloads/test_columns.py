from __future__ import annotations

import json
from importlib import resources

import pytest

from apiserver.api.kinds import (
    cronjob,
    daemonset,
    deployment,
    horizontalpodautoscaler,
    job,
    pod,
    poddisruptionbudget,
    podtemplate,
    priorityclass,
    replicaset,
    replicationcontroller,
    statefulset,
)
from apiserver.api.kinds.base import KindRules

KINDS = (
    cronjob, daemonset, deployment, horizontalpodautoscaler, job, pod, poddisruptionbudget, podtemplate, priorityclass,
    replicaset, replicationcontroller, statefulset,
)  # fmt: skip
COLUMNS = json.loads(resources.files("apiserver.api").joinpath("data/columns-1.36.json").read_text())


@pytest.mark.parametrize("rules", [module.RULES for module in KINDS], ids=lambda rules: rules.kind)
def test_columns_are_those_of_upstreams_printers(rules: KindRules) -> None:
    key = rules.kind[0].lower() + rules.kind[1:]
    assert [[c.name, c.type, c.format, c.priority] for c in rules.columns] == COLUMNS[key]
