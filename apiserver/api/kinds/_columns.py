"""The columns that nearly every table has."""

from __future__ import annotations

from apiserver.api.kinds.base import Column

NAME_COLUMN = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE_COLUMN = Column("Age", description="How long ago this object was created.")
NONE = "<none>"
