"""RuntimeClass: another way to run containers. Its handler never changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_immutable, check_labels, check_name, dns_label
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._resources import canonical_list, check_overhead
from apiserver.api.kinds._scheduling_validation import check_tolerations
from apiserver.api.kinds.base import Cell, Column, KindRules, register

RuntimeClass = dict[str, Any]


def default(obj: RuntimeClass) -> None:
    canonical_list((obj.get("overhead") or {}).get("podFixed") or {})


def validate(obj: RuntimeClass) -> list[FieldError]:
    errors: Errors = []
    check_name(obj.get("handler") or "", "handler", errors, rule=dns_label)
    overhead, scheduling = obj.get("overhead") or {}, obj.get("scheduling") or {}
    check_overhead(overhead.get("podFixed") or {}, "overhead.podFixed", errors)
    check_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector", errors)
    check_tolerations(scheduling.get("tolerations") or [], "scheduling.tolerations", errors)
    return errors


def validate_update(obj: RuntimeClass, old: RuntimeClass) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj.get("handler"), old.get("handler"), "handler", errors)
    return errors


def row(obj: RuntimeClass, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], obj.get("handler") or "", age_of(obj, now)


RULES = register(
    KindRules(
        group="node.k8s.io",
        kind="RuntimeClass",
        default=default,
        validate=validate,
        validate_update=validate_update,
        columns=(NAME_COLUMN, Column("Handler", description="What runs the containers."), AGE_COLUMN),
        row=row,
        counts_generation=False,
        create_on_update=True,
        extra={"requires_resource_version": True},
    )
)
