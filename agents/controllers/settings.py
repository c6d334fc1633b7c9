"""What the controller manager is told at its start."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr


class ControllerSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: Path
    nats_url: SecretStr
    identity: str = "controllers"
    """Distinguishes the managers that stand for election; the durable cursor is shared by all of them."""
    leader_elect: bool = True
    health_file: Path | None = None
    workers: int = 16
    """Keys that are reconciled side by side."""
