"""The columns that nearly every table has."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.api.kinds.base import Column

NAME_COLUMN = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE_COLUMN = Column("Age", description="How long ago this object was created.")
NONE = "<none>"
UNSET = "<unset>"


def first_of(values: Sequence[str], *, most: int = 3) -> str:
    """`a,b,c + 2 more...`; empty where there are none."""
    text = ",".join(values[:most])
    return f"{text} + {len(values) - most} more..." if len(values) > most else text
