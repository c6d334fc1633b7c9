"""What the controller manager is told at its start."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class ControllerSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: Path
    nats_url: SecretStr | None = None
    """Only for a NATS of the user's own; otherwise the API server tells where it is and signs the credentials."""
    identity: str = Field(default_factory=lambda: f"{socket.gethostname()}_{uuid.uuid4()}", min_length=1)
    """Distinguishes the managers that stand for election: no two that live at the same time may share one. A manager
    that is started again under the same identity leads again at once. The durable cursor is shared by all of them."""
    leader_elect: bool = True
    health_file: Path | None = None
    state_dir: Path | None = None
    """Where what is known is kept for the next life of this process, which then starts as soon however much there is.
    One process at a time has it. None: each start asks the API server for everything."""
    workers: int = Field(default=16, ge=1)
    """Keys that are reconciled side by side."""
    node_monitor_grace_seconds: float = Field(default=50.0, gt=0)
    """How long a node may be silent before it is Unknown (upstream: 50 s since 1.32)."""
    node_startup_grace_seconds: float = Field(default=60.0, gt=0)
    """The same for a node whose kubelet has not posted any status yet."""
    orphan_quarantine_seconds: float = Field(default=40.0, ge=0)
    """How long a node must be missing before its pods are removed: it may only be registering itself again."""
    terminated_pod_threshold: int = Field(default=12_500, ge=0)
    """Finished pods beyond this number are removed, oldest first; 0 keeps all."""
