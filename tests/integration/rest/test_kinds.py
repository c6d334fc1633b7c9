"""One whole object of every kind that has rules goes in, comes out, is shown, stays as it is, and goes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds.base import KindRules
from apiserver.api.resources import REGISTRY, Resource
from tests.integration.rest.client import Client
from tests.unit.api.kinds_core.whole import WHOLE

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
RESOURCES = {(r.group, r.kind): r for r in REGISTRY.all() if "create" in r.verbs}
SERVED = [(rules, whole) for rules, whole in WHOLE if (rules.group, rules.kind) in RESOURCES]


def place_of(resource: Resource, ns: str) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/{ns}/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


def sent(rules: KindRules, whole: dict[str, Any], ns: str) -> dict[str, Any]:
    """The object as a user would write it, in the namespace of the test."""
    made = copy.deepcopy(whole)
    made["metadata"] = {"name": whole["metadata"]["name"]}
    for field in ("involvedObject", "regarding"):
        if field in made:
            made[field]["namespace"] = ns
    return made


@pytest.mark.parametrize(("rules", "whole"), SERVED, ids=[f"{r.group}.{r.kind}" for r, _ in SERVED])
def test_a_whole_object_goes_in_and_comes_out(api: Client, ns: str, rules: KindRules, whole: dict[str, Any]) -> None:
    resource = RESOURCES[(rules.group, rules.kind)]
    path = place_of(resource, ns)
    made = api.make(path, sent(rules, whole, ns))
    one = f"{path}/{made['metadata']['name']}"
    again = api.put(one, made)
    assert (again.status, again.json) == (200, made)
    shown = api.get(one, headers=TABLE).json
    assert [c["name"] for c in shown["columnDefinitions"][: len(rules.columns)]] == [c.name for c in rules.columns] or (
        not rules.columns
    )
    assert len(shown["rows"][0]["cells"]) == len(shown["columnDefinitions"])
    assert ("generation" in made["metadata"]) == rules.counts_generation
    gone = api.delete(one)
    assert gone.status == 200, gone.body
