"""Every kind, with objects of the right types and of no sense: an answer always, a 5xx never."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apiserver.api.resources import Resource, builtin
from apiserver.api.schema import Schema, schema_for
from tests.integration.rest.client import MERGE_PATCH, STRATEGIC_PATCH, Answer, Client, Obj

MADE = [r for r in builtin().all() if "create" in r.verbs and "list" in r.verbs]
TEXTS = (
    "",
    "a",
    "web",
    "Web",
    "1",
    "-1",
    "10.0.0.1",
    "::1",
    "a/b",
    "*",
    "x" * 70,
    "TCP",
    "2Gi",
    "None",
    "ü",
    "{}",
    "100%",
)
NUMBERS = (0, 1, -1, 80, 65536, 2**31 - 1, -(2**31))


def _path(resource: Resource, ns: str) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/{ns}/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


def _value(schema: Schema, chance: random.Random, depth: int) -> Any:
    """Something that passes the schema's types."""
    if schema.is_int_or_string:
        return chance.choice((*NUMBERS, *TEXTS))
    if schema.is_quantity:
        return chance.choice(("1", "100m", "2Gi", "-1", "0", "1e3"))
    if schema.is_free_form:
        return chance.choice(({}, {"a": 1}, {"kind": "X", "apiVersion": "v1"}))
    match schema.type:
        case "boolean":
            return chance.random() < 0.5
        case "integer":
            return chance.choice(NUMBERS)
        case "number":
            return chance.choice((0.0, 1.5, -1.0))
        case "array":
            count = chance.randint(0, 2) if depth else 0
            return [_value(schema.items, chance, depth - 1) for _ in range(count)] if schema.items else []
        case "object" if schema.is_map:
            values = schema.additional_properties
            keys = [chance.choice(TEXTS) for _ in range(chance.randint(0, 2))] if depth else []
            return {key: _value(values, chance, depth - 1) for key in keys} if values else {}
    if schema.properties:
        chosen = [name for name in schema.properties if depth and chance.random() < 0.5]
        return {name: _value(schema.properties[name], chance, depth - 1) for name in chosen}
    if schema.format in ("date-time", "byte"):
        return "2026-01-02T03:04:05Z" if schema.format == "date-time" else "aGk="
    return chance.choice(TEXTS)


def _object(resource: Resource, chance: random.Random) -> Obj:
    schema = schema_for(resource.definition)
    obj = {
        name: _value(below, chance, 5)
        for name, below in schema.properties.items()
        if name not in ("apiVersion", "kind", "metadata", "status") and chance.random() < 0.9
    }
    return {**obj, "metadata": {"name": chance.choice(("fuzz", "fuzz-2", "10.0.0.1")), "labels": {"a": "b"}}}


def _fine(answer: Answer, sent: Any) -> None:
    assert answer.status < 500, (sent, answer.body)


@pytest.mark.parametrize("resource", MADE, ids=lambda r: f"{r.plural}.{r.version}.{r.group}")
def test_an_answer_always(api: Client, ns: str, resource: Resource) -> None:
    path = _path(resource, ns)
    for empty in ({}, {"metadata": {"name": "empty"}}, {"metadata": {"name": "empty"}, "spec": {}}, {"spec": None}):
        _fine(api.post(path, empty, dryRun="All"), empty)
    chance = random.Random(resource.plural)
    for _ in range(12):
        new = _object(resource, chance)
        made = api.post(path, new)
        _fine(made, new)
        if made.status != 201:
            continue
        own = f"{path}/{made.json['metadata']['name']}"
        changed = {**made.json, **_object(resource, chance), "metadata": made.json["metadata"]}
        _fine(api.put(own, changed), changed)
        for kind in (MERGE_PATCH, STRATEGIC_PATCH):
            patch = {**_object(resource, chance), "metadata": {"labels": {"c": "d"}}}
            _fine(api.patch(own, patch, kind), patch)
        for below in resource.subresources:
            if below in ("status", "scale"):
                status = {"status": _value(schema_for(resource.definition).property("status"), chance, 5)}
                _fine(api.patch(f"{own}/{below}", status), status)
                _fine(api.get(f"{own}/{below}"), below)
        table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        _fine(api.get(path, headers=table), "table")
        _fine(api.delete(own), "delete")
        if resource.plural == "namespaces":
            continue
        api.patch(own, {"metadata": {"finalizers": None}})
