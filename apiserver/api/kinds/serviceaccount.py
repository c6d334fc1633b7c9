"""ServiceAccount: the name that the processes of a pod act under."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.kinds._ages import age
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, KindRules, register

ServiceAccount = dict[str, Any]


def prepare_create(obj: ServiceAccount) -> None:
    """References to Secrets are names alone: they never leave the namespace."""
    if obj.get("secrets"):
        obj["secrets"] = [{"name": s["name"]} if s.get("name") else {} for s in obj["secrets"]]


def prepare_update(obj: ServiceAccount, old: ServiceAccount) -> None:
    prepare_create(obj)


def row(obj: ServiceAccount, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], age(obj["metadata"].get("creationTimestamp"), now)


RULES = register(
    KindRules(
        group="",
        kind="ServiceAccount",
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        columns=(NAME_COLUMN, AGE_COLUMN),
        row=row,
        counts_generation=False,
    )
)
