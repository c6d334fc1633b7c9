"""ComponentStatus: whether a part of the control plane is healthy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.kinds._columns import NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register


def row(obj: dict[str, Any], now: datetime) -> Sequence[Cell]:
    """`Healthy`, `Unhealthy` or `Unknown`."""
    healthy = [c for c in obj.get("conditions") or () if c.get("type") == "Healthy"]
    found: dict[str, Any] = healthy[0] if healthy else {}
    word = {"True": "Healthy", "False": "Unhealthy"}.get(found.get("status") or "", "Unknown")
    return obj["metadata"]["name"], word, found.get("message") or "", found.get("error") or ""


RULES = register(
    KindRules(
        group="",
        kind="ComponentStatus",
        columns=(
            NAME_COLUMN,
            Column("Status", description="Whether it is healthy."),
            Column("Message", description="What it says."),
            Column("Error", description="Why it could not be asked."),
        ),
        row=row,
        counts_generation=False,
    )
)
