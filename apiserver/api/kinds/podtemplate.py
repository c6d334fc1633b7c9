"""PodTemplate: a template by itself, kept for tools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._columns import NAME_COLUMN
from apiserver.api.kinds._label_selectors import labels_text
from apiserver.api.kinds._podtemplate import (
    check_template,
    container_cells,
    default_template,
    template_labels,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

PodTemplate = dict[str, Any]


def default(obj: PodTemplate) -> None:
    default_template(obj.setdefault("template", {}))


def validate(obj: PodTemplate) -> list[FieldError]:
    errors: Errors = []
    check_template(obj["template"], "template", errors)
    return errors


def row(obj: PodTemplate, now: datetime) -> Sequence[Cell]:
    template = obj.get("template") or {}
    return (
        obj["metadata"]["name"],
        *container_cells(template.get("spec") or {}),
        labels_text(template_labels(template)),
    )


RULES = register(
    KindRules(
        group="",
        kind="PodTemplate",
        default=default,
        validate=validate,
        columns=(
            NAME_COLUMN,
            Column("Containers", description="The names of the containers in the template."),
            Column("Images", description="The images of the containers in the template."),
            Column("Pod Labels", description="The labels of the template."),
        ),
        row=row,
    )
)
